/**
 * Sizes of rows and of parts of them, for tolerances that are relative to a vector and not to each value.
 * @module
 */

/** The root mean square of every row of `columns` values. */
export function rowRms(matrix: ArrayLike<number>, columns: number): Float64Array {
  return Float64Array.from({ length: matrix.length / columns }, (_, row) => {
    let squares = 0;
    for (let c = 0; c < columns; c++) squares += matrix[row * columns + c]! ** 2;
    return Math.sqrt(squares / columns);
  });
}

/** ‖found − wanted‖₂ / ‖wanted‖₂. */
export function relativeDistance(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let difference = 0, size = 0;
  for (let i = 0; i < wanted.length; i++) {
    difference += (found[i]! - wanted[i]!) ** 2;
    size += wanted[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}

/** `count` columns from `first` on, of a matrix of `columns` columns. */
export function columnsOf(
  matrix: ArrayLike<number>,
  { columns, first, count }: { columns: number; first: number; count: number },
): Float64Array {
  return Float64Array.from(
    { length: matrix.length / columns * count },
    (_, i) => matrix[Math.floor(i / count) * columns + first + i % count]!,
  );
}

/** The largest absolute value. */
export function largest(values: ArrayLike<number>): number {
  let found = 0;
  for (let i = 0; i < values.length; i++) found = Math.max(found, Math.abs(values[i]!));
  return found;
}
