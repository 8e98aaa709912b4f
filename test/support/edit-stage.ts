/** A session on the fake server, for tests of edits and subscriptions. */
import type { ConnectOptions } from '../../src/client/options.ts';
import { openSession, type Session } from '../../src/client/session.ts';
import type { FakeLog } from './fake-log.ts';
import { FakeServer, type FakeVolume, ManualClock, settled } from './fake-server.ts';

/** The path of the tests' channel. */
export const PATH = 'e/s/d/labels';

const VOLUME: FakeVolume = {
  dtype: 'uint32',
  offset: [0, 0, 0],
  shape: [64, 64, 64],
  chunk: [32, 32, 32],
  voxel: () => 0,
};

/** What a test acts on. */
export interface EditStage {
  readonly server: FakeServer;
  readonly clock: ManualClock;
  readonly session: Session;
  readonly log: FakeLog;
  /** A further session of the same server. */
  readonly open: (options?: ConnectOptions) => Promise<Session>;
}

export async function editStage(options: ConnectOptions = {}): Promise<EditStage> {
  const server = new FakeServer();
  const clock = new ManualClock();
  server.volumes.set(PATH, VOLUME);
  const open = (own: ConnectOptions = {}): Promise<Session> =>
    openSession('ws://fake', own, { openSocket: server.transport, clock });
  const session = await open(options);
  await settled();
  return { server, clock, session, log: server.log(PATH), open };
}

/** Lets time pass until a promise settles. */
export async function inTime<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let isDone = false;
  const done = (): void => {
    isDone = true;
  };
  promise.then(done, done);
  for (let i = 0; i < 2_000 && !isDone; i++) await clock.advance(50);
  if (!isDone) throw new Error('nothing moves any more');
  return promise;
}
