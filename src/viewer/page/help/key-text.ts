/** Keys as they are printed on keyboards. Pure. */

const NAMES: Readonly<Record<string, string>> = {
  control: 'Ctrl',
  shift: 'Shift',
  alt: 'Alt',
  meta: 'Meta',
  escape: 'Esc',
  enter: 'Enter',
  space: 'Space',
  delete: 'Delete',
  backspace: 'Backspace',
  tab: 'Tab',
  bracketleft: '[',
  bracketright: ']',
  comma: ',',
  period: '.',
  slash: '/',
  backslash: '\\',
  semicolon: ';',
  quote: "'",
  backquote: '`',
  minus: '-',
  equal: '=',
  arrowleft: '←',
  arrowright: '→',
  arrowup: '↑',
  arrowdown: '↓',
};

/** The keys of a binding. @param key as Neuroglancer writes it: `shift+keyx`, also `at:control+keyz`. */
export function keyParts(key: string): string[] {
  return key
    .replace(/^(at|bubble):/, '')
    .split('+')
    .map((part) => NAMES[part] ?? part.replace(/^(key|digit)(.)$/, (_, _kind, letter: string) => letter.toUpperCase()));
}
