export const measureStorm = (_: unknown): boolean => true;
