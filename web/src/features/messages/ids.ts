/** Ids and places as people type them. */

/** As the service reads them: in any case, with blanks around, with the letter O for zero. */
export function isReadableId(text: string): boolean {
  const id = text.trim().replace(/o/gi, '0');
  return /^[0-9a-f]*$/i.test(id) && [32, 34, 56].includes(id.length);
}

/** A whole number that JavaScript can tell from its neighbours. */
export function isPlace(text: string): boolean {
  return /^\s*\d+\s*$/.test(text) && Number.isSafeInteger(Number(text));
}
