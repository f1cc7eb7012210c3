/**
 * Which Starling this is.
 * @module
 */
export const VERSION = "0.1.0";
