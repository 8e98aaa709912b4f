/** The clients of the storms against a small server that keeps the rules, and against servers that break one. */
import { afterEach, describe, expect, it } from 'vitest';
import { type ModelFault, ModelServer } from '../support/model-server.ts';
import { Puller } from '../support/puller.ts';
import { testSeed } from '../support/seed.ts';
import { Crowd, readHistory } from '../support/storm.ts';
import { within } from '../support/within.ts';

/** So long for what takes a second is too long. */
const PATIENCE_MS = 15_000;

let server: ModelServer | undefined;
let crowd: Crowd | undefined;
afterEach(async () => {
  await crowd?.stop();
  await server?.kill();
});

/** What the ledger says after a small storm with two kills. */
async function storm(fault?: ModelFault): Promise<string[]> {
  const model = new ModelServer(fault);
  server = model;
  await model.start();
  const seed = testSeed(fault ?? 'keeps the rules');
  const some = new Crowd({
    url: () => model.url,
    seed,
    editors: 4,
    watchers: 4,
    ids: 12,
    editing: { edits: 40, pauseMs: 2 },
  });
  crowd = some;
  some.start();
  for (const acknowledged of [40, 90]) {
    const what = (): string => `${acknowledged} acknowledged edits; there are ${some.ledger.acknowledged}`;
    await within(PATIENCE_MS, what, some.ledger.untilAcknowledged(acknowledged));
    await model.kill();
    await model.start();
  }
  const all = Promise.all(some.editors.map((editor) => editor.finish()));
  await within(PATIENCE_MS, () => `the last of ${some.ledger.submitted} edits`, all);
  const log = await readHistory(model.url);
  const wrong = some.ledger.check(log, []);
  // Subscribers of a server that breaks rules may never come to its head.
  if (fault === undefined) await Promise.all(some.watchers.map((watcher) => watcher.until(log.head)));
  return [
    ...wrong,
    ...some.ledger.check(
      log,
      some.watchers.map((watcher) => watcher.seen),
    ),
  ];
}

describe('the clients of the storms', () => {
  it('find nothing wrong with a server that keeps the rules', async () => {
    expect(await storm()).toEqual([]);
  });

  it('end with a sentence where the connection of one that waits is gone', async () => {
    server = new ModelServer();
    await server.start();
    const puller = await Puller.start({ url: server.url, wid: new Uint8Array(16), others: new Map() });
    const waiting = puller.until('tiles', () => false);
    await server.kill();
    await expect(waiting).rejects.toThrow('its connection ended');
  });

  const faults: readonly ModelFault[] = [
    'forgets the last edits when it is killed',
    'applies resent edits again',
    'acknowledges and forgets',
    'leaves an edit out for one subscriber',
    'tells an edit twice',
    'tells wrong changes',
    'begins a new epoch when it is killed',
  ];
  it.each(faults)('notice a server that %s', async (fault) => {
    expect(await storm(fault)).not.toEqual([]);
  });
});
