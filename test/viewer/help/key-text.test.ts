import { expect, it } from 'vitest';
import { keyParts } from '../../../src/viewer/page/help/key-text.ts';

it.each([
  ['keym', 'M'],
  ['digit1', '1'],
  ['control+keyz', 'Ctrl Z'],
  ['control+shift+keyz', 'Ctrl Shift Z'],
  ['at:shift+slash', 'Shift /'],
  ['bracketleft', '['],
  ['escape', 'Esc'],
  ['f2', 'f2'],
])('%s is printed as %s', (key, text) => {
  expect(keyParts(key).join(' ')).toBe(text);
});
