/**
 * Text of strangers that people will see: it must not steer the terminal that it is shown on, nor hide what it says.
 * @module
 */

/** Control characters (ESC begins a terminal's commands), line ends among them, and marks that turn the writing round. */
const STEERING = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/** Whether a text only says what it shows. */
export function isPlainText(text: string): boolean {
  return text.search(STEERING) < 0;
}

/** The text with a mark in place of whatever steers: for words of ours that quote a stranger. */
export function toPlainText(text: string): string {
  return text.replace(STEERING, "\ufffd");
}
