import { describe, expect, it } from 'vitest';
import { parseExactJson } from '../../src/utility/exact-json.ts';

const parse = (text: string): unknown => parseExactJson(Buffer.from(text));

describe('exact JSON', () => {
  it.each([
    '{"a":[1,{"b":null},[],{}],"c":"d","e":{"f":{"g":[true,false]}},"h":-1.5}',
    '[]',
    '"text"',
    '5',
    '[[1],[[2]],3]',
    '{"a":{"b":1},"c":2}',
  ])('%s is what JSON.parse makes of it', (text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  it('keeps integers of any size', () => {
    expect(parse('[18446744073709551615, 9007199254740993, {"__proto__": 5}]')).toEqual([
      18446744073709551615n,
      9007199254740993n,
      Object.fromEntries([['__proto__', 5]]),
    ]);
  });

  it.each(['', '[', '{"a"}', '1 2', 'nothing'])('refuses %j', (text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  });
});
