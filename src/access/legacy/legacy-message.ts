/** Messages of Butterfly's own socket, JSON in text frames. Source: parity.md 5.2, 5.3. */
import { BflyError } from '../../../protocol/errors.ts';
import { type LegacyNode, type LegacySplit, readNode, readSplit } from '../../utility/legacy-text.ts';

/** What a client asks for. */
export type LegacyMessage =
  | { readonly action: 'restore' }
  | {
      readonly action: 'save';
      readonly sets: readonly (readonly LegacyNode[])[];
      readonly splits: readonly LegacySplit[];
    }
  /** Anything else comes back as it is. */
  | { readonly action: 'echo'; readonly text: string };

/** Characters of an action that is echoed. */
const MAX_ACTION = 256;

const utf8 = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();

/**
 * Reads a message.
 *
 * @param bytes borrowed.
 * @throws BflyError BAD_REQUEST with a sentence for whoever sent it.
 */
export function readLegacyMessage(bytes: Uint8Array): LegacyMessage {
  const message = parseObject(bytes);
  const action = message['action'] ?? '';
  if (typeof action !== 'string' || action.length > MAX_ACTION)
    throw new BflyError(
      'BAD_REQUEST',
      `action must be a text of at most ${MAX_ACTION} characters: "save" or "restore"`,
    );
  if (action === 'restore') return { action };
  if (action === 'save') {
    const sets = readList(message['merge'], 'merge').map((set, i) =>
      readList(set, `merge[${i}]`).map((node, k) => readNode(node, `merge[${i}][${k}]`)),
    );
    const splits = readList(message['split'], 'split').map((split, i) => readSplit(split, `split[${i}]`));
    return { action, sets, splits };
  }
  // Butterfly did the first word of these and fell over the rest.
  if (/^(save|restore):/.test(action))
    throw new BflyError('BAD_REQUEST', 'action must be "save" or "restore", without anything behind it');
  return { action: 'echo', text: action };
}

/** A message without tables: an echo, or with an `error` what went wrong. Owned. */
export function encodeLegacyReply(action: string, error: string): Uint8Array {
  return encoder.encode(JSON.stringify({ action, error }));
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch {
    throw new BflyError(
      'BAD_REQUEST',
      'a message must be JSON: an object with "action", and for "save" "merge" and "split"',
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new BflyError('BAD_REQUEST', 'a message must be an object with "action"');
  return value as Record<string, unknown>;
}

function readList(value: unknown, field: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new BflyError('BAD_REQUEST', `${field} must be a list`);
  return value;
}
