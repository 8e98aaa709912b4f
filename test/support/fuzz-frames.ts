/** Frames of a client that does anything; which ones depends on the seed alone. */
import { encodeClient } from '../../protocol/encode.ts';
import { DEFAULT_LIMITS } from '../../protocol/limits.ts';
import type { ClientMessage } from '../../protocol/messages.ts';
import { pack } from '../../protocol/msgpack.ts';
import { type Box, ENCODINGS } from '../../protocol/volume.ts';
import { seededRandom } from './seed.ts';
import type { SessionLedger } from './session-ledger.ts';

const WHOLE: Box = [0, 0, 0, 100, 90, 70];

const PATHS = [
  ...['em', 'ids', 'changing', 'unsteady', 'em', 'unsteady', 'broken', 'none'].map((name) => `lab/fly/cube/${name}`),
  'lab/fly/cube',
  'lab',
];
/** Few, so that they are used again while they are in use. */
const IDS = 12;

/** Makes frames of every kind for volumes of about 100 × 90 × 70 voxels under `lab/fly/cube`. */
export class FuzzFrames {
  readonly random: () => number;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  /** True so often of a hundred. */
  chance(percent: number): boolean {
    return this.random() * 100 < percent;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T; // the callers' lists are not empty
  }

  id(): number {
    return this.chance(2) ? this.pick([0, 0xffff_ffff]) : 1 + this.below(IDS);
  }

  /** Inside, sticking out, outside, or absurdly large. */
  box(): Box {
    if (this.chance(5))
      return this.pick<Box>([
        [-(2 ** 31), 0, 0, 2 ** 31 - 1, 1, 1],
        [0, 0, 0, 2 ** 31 - 1, 2 ** 31 - 1, 9],
      ]);
    if (this.chance(15)) return WHOLE;
    const [x, y, z] = [this.below(160) - 30, this.below(140) - 30, this.below(120) - 30];
    return [x, y, z, x + 1 + this.below(90), y + 1 + this.below(90), z + 1 + this.below(70)];
  }

  #options(): object {
    const maybe = (percent: number, fields: () => object): object => (this.chance(percent) ? fields() : {});
    return {
      ...maybe(30, () => ({ urgency: this.below(8) })),
      ...maybe(30, () => ({ win: this.pick([1, 65_536, 100_000, 2 ** 32 - 1]) })),
      ...maybe(60, () => ({ frame: this.pick([1, 32_768, 40_000, 2 ** 32 - 1]) })),
      ...maybe(3, () => ({ map: this.pick(['base', 'merged']) })),
      ...maybe(3, () => ({ at: this.below(2) })),
    };
  }

  pull(): ClientMessage {
    return {
      kind: 'PULL',
      id: this.id(),
      path: this.pick(PATHS),
      mip: this.chance(80) ? 0 : this.below(5),
      box: this.box(),
      ...this.#options(),
      ...(this.chance(50) ? { enc: [this.pick(ENCODINGS), this.pick(ENCODINGS)] } : {}),
      ...(this.chance(40) ? { order: this.pick(['near', 'scan'] as const) } : {}),
      ...(this.chance(20) ? { focus: [this.below(300) - 100, this.below(300) - 100, this.below(99)] as const } : {}),
      ...(this.chance(40) ? { replace: this.pick(['a', 'b', '']) } : {}),
    };
  }

  cutout(): ClientMessage {
    const format = this.chance(85) ? this.pick(['raw', 'npy'] as const) : this.pick(['png', 'jpeg', 'tiff'] as const);
    return {
      kind: 'CUTOUT',
      id: this.id(),
      path: this.pick(PATHS),
      mip: this.chance(80) ? 0 : this.below(5),
      box: this.box(),
      format,
      ...(this.chance(10) ? { view: this.pick(['grayscale', 'colormap', 'rgb'] as const) } : {}),
      ...this.#options(),
    };
  }

  /** Grants that help, are late, lower, absurd, or for nobody. */
  credit(ledger: SessionLedger): ClientMessage {
    const grants = Array.from({ length: 1 + this.below(4) }, (): [number, number] => {
      const id = this.chance(40) ? 0 : this.id();
      const more = this.pick([0, 1, 20_000, 65_536, 300_000, 2 ** 22]);
      if (this.chance(5)) return [id, this.pick([0, Number.MAX_SAFE_INTEGER, 2 ** 40])];
      return [id, Math.max(0, ledger.bytesOf(id) + (this.chance(20) ? -more : more))];
    });
    return {
      kind: 'CREDIT',
      id: this.chance(95) ? 0 : this.id(),
      grants: this.chance(20) ? [...grants, ...grants] : grants,
    };
  }

  question(): ClientMessage {
    const [id, path] = [this.id(), this.pick(PATHS)];
    switch (this.below(5)) {
      case 0:
        return { kind: 'INFO', id, path };
      case 1:
        return {
          kind: 'LIST',
          id,
          path: this.chance(30) ? '' : path,
          ...(this.chance(30) ? { after: 'em', limit: 1 } : {}),
        };
      case 2:
        return {
          kind: 'UNIQUE',
          id,
          path,
          mip: this.below(2),
          box: this.box(),
          ...(this.chance(20) ? { after: 3n } : {}),
        };
      case 3:
        return { kind: 'PRIO', id, pull: this.id(), urgency: this.below(8), focus: this.chance(50) ? null : [1, 2, 3] };
      default:
        return { kind: 'PING', id, t: this.pick<null | string | number>([null, 'ping', 7]) };
    }
  }

  /** What this server does not support, and what only servers say. */
  misplaced(): Uint8Array {
    const [id, path] = [this.id(), this.pick(PATHS)];
    return this.pick<() => Uint8Array>([
      () => encodeClient({ kind: 'HELLO', id, v: [1], client: 'again', feat: [] }).slice(),
      () => encodeClient({ kind: 'SUBSCRIBE', id, path, epoch: null, after: null }).slice(),
      () => encodeClient({ kind: 'HISTORY', id, path, after: 0, limit: 9 }).slice(),
      () => encodeClient({ kind: 'FEATURE', id, path, feature: 'all_neurons' }).slice(),
      () => encodeClient({ kind: 'PRESENCE', id, n: 1, state: null }).slice(),
      () => encodeClient({ kind: 'PONG', id, t: null }).slice(),
      () => pack([0x60 + this.below(32), id, 'anyone may ignore this']).slice(),
      () => pack([this.pick([0x90, 0xa0, 0x81, 0xfe, 0x21, 0x22, 0x03]), id, path, 0, {}]).slice(),
      () =>
        pack([this.pick([0x10, 0x20, 0x13, 0x28, 0x25, 0x23, 0x24]), id, this.pick([null, 5, path, [], 1.5])]).slice(),
      () => pack([0x20, id, path, 0, [0, 0, 0, 0, 5, 5], {}]).slice(),
      () => pack([0x10, id, path, new Uint8Array(this.pick([10, 70_000, DEFAULT_LIMITS.message]))]).slice(),
      () => pack([0x24, id, new Uint8Array(DEFAULT_LIMITS.message)]).slice(),
    ])();
  }

  legal(ledger: SessionLedger): Uint8Array {
    const dice = this.below(100);
    const message: ClientMessage =
      dice < 30
        ? this.pull()
        : dice < 42
          ? this.cutout()
          : dice < 65
            ? this.credit(ledger)
            : dice < 78
              ? { kind: 'CANCEL', id: this.id() }
              : this.question();
    return encodeClient(message).slice();
  }

  any(ledger: SessionLedger): Uint8Array {
    if (this.chance(80)) return this.legal(ledger);
    if (this.chance(60)) return this.misplaced();
    return this.mutated(this.legal(ledger));
  }

  mutated(frame: Uint8Array): Uint8Array {
    const at = this.below(frame.length);
    switch (this.below(4)) {
      case 0:
        return frame.slice(0, at);
      case 1:
        return Uint8Array.from([...frame.subarray(0, at), this.below(256), ...frame.subarray(at)]);
      case 2:
        return Uint8Array.from([...frame, this.below(256)]);
      default: {
        const changed = frame.slice();
        for (let n = 1 + this.below(3); n > 0; n--) changed[this.below(changed.length)] = this.below(256);
        return changed;
      }
    }
  }
}
