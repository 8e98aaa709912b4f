import { describe, expect, it } from 'vitest';
import { ERROR_CODES, type ErrorName } from '../../../protocol/errors.ts';
import { BflyError, ConflictError } from '../../../src/client/index.ts';
import { reasonOf, refusalOf } from '../../../src/viewer/page/tools/say-refusal.ts';

function conflict(names: readonly string[], more = false): ConflictError {
  const edits = names.map((name, i) => ({ seq: i + 1, user: { id: name, name }, ops: [], results: [] }));
  return new ConflictError(new BflyError('CONFLICT', 'x', { details: { head: 9, edits, more } }));
}

describe('the reason of a refusal', () => {
  it('names who was faster', () => {
    expect(reasonOf(conflict(['Ada']))).toBe('Ada was faster and changed the same. Look at it again.');
    expect(reasonOf(conflict(['Ada', 'Ada', 'Bob']))).toContain('Ada and Bob were faster');
    expect(reasonOf(conflict(['Ada', 'Bob', 'Cy']))).toContain('Ada, Bob and others were faster');
    expect(reasonOf(conflict([]))).toContain('somebody else was faster');
  });

  it('says what they did', () => {
    const edits = [
      { seq: 3, user: { id: 'ben', name: 'Ben' }, ops: [{ op: 'merge', ids: [7, 9] }], results: [{ root: 7 }] },
    ];
    const error = new ConflictError(new BflyError('CONFLICT', 'x', { details: { head: 9, edits, more: false } }));
    expect(reasonOf(error)).toBe('Ben was faster and merged 2 segments into 7. Look at it again.');
  });

  it('is a sentence for every error there is', () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorName[]) {
      const said = refusalOf('The stroke', new BflyError(code, 'ops[0].box must be less'));
      expect(said).toMatch(/^The stroke was taken back: [a-z].*\.$/);
    }
    expect(reasonOf(new Error('broken'))).toBe('broken');
  });
});
