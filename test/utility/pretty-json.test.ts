import { describe, expect, it } from 'vitest';
import { prettyJson } from '../../src/utility/pretty-json.ts';
import { yamlText } from '../../src/utility/yaml-text.ts';

describe('JSON as Butterfly wrote it', () => {
  it.each([
    [[]],
    [{}],
    [true],
    [null],
    ['a "name"\n'],
    [1.5],
    [['a', 'b']],
    [{ dimensions: { z: 4, y: 6 }, list: [[1, 2], []], empty: {} }],
  ])('is that of four spaces a step: %j', (value) => {
    expect(prettyJson(value)).toBe(JSON.stringify(value, null, 4));
  });

  it('has every integer exact', () => {
    expect(prettyJson([2n ** 64n - 1n, { id: 0n }])).toBe(
      '[\n    18446744073709551615,\n    {\n        "id": 0\n    }\n]',
    );
  });
});

describe('YAML', () => {
  it('is in blocks, and quotes what others would take for something else than text', () => {
    expect(yamlText(['im', 'off', '2017', 'yes'])).toBe('- im\n- "off"\n- "2017"\n- "yes"\n');
    expect(yamlText({ id: 2n ** 64n - 1n, path: `/${'long '.repeat(40)}end` })).toBe(
      `id: 18446744073709551615\npath: /${'long '.repeat(40)}end\n`,
    );
    expect(yamlText(false)).toBe('false\n');
    expect(yamlText([])).toBe('[]\n');
  });
});
