/** Frames of a client that does anything; which ones depends on the seed alone. */
import { encodeClient } from '../../protocol/encode.ts';
import { DEFAULT_LIMITS } from '../../protocol/limits.ts';
import type { ClientMessage, WireMap } from '../../protocol/messages.ts';
import { pack } from '../../protocol/msgpack.ts';
import { BULK_TYPE, TileFlag } from '../../protocol/tile-frame.ts';
import { type Box, boxShape, ENCODINGS } from '../../protocol/volume.ts';
import { seededRandom } from './seed.ts';
import type { SessionLedger } from './session-ledger.ts';

const WHOLE: Box = [0, 0, 0, 100, 90, 70];

const PATHS = [
  ...['em', 'ids', 'changing', 'unsteady', 'em', 'unsteady', 'broken', 'none', 'edited'].map(
    (name) => `lab/fly/cube/${name}`,
  ),
  'lab/fly/cube',
  'lab',
];
/** Where voxels may be written: the others are compared with what was ingested. */
const EDITED = 'lab/fly/cube/edited';
/** Few, so that they are used again while they are in use. */
const IDS = 12;
/** Subscriptions have ids of their own, so that not every PULL is refused for one. */
const FIRST_SUB = 20;
const SUBS = 5;
const FIRST_FRESH = 1_000;
const WRITERS = 3;

/** Makes frames of every kind for volumes of about 100 × 90 × 70 voxels under `lab/fly/cube`. */
export class FuzzFrames {
  readonly random: () => number;
  /** Told by hellos: edits with a base need it. */
  epoch: Uint8Array | undefined;
  readonly #wids: readonly Uint8Array[];
  readonly #wseqs = new Map<Uint8Array, number>();
  #fresh = FIRST_FRESH;
  #bulks = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.#wids = Array.from({ length: WRITERS }, () => Uint8Array.from({ length: 16 }, () => this.below(256)));
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
      const id = this.chance(30) ? 0 : this.chance(40) ? this.#sub() : this.id();
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

  #sub(): number {
    return FIRST_SUB + this.below(SUBS);
  }

  /** An id that nothing else has, mostly. */
  #freshId(): number {
    return this.chance(95) ? this.#fresh++ : this.id();
  }

  #filter(): WireMap {
    return {
      ...(this.chance(50) ? { box: this.box() } : {}),
      ...(this.chance(30) ? { kinds: [this.pick(['merge', 'put', 'write', 'meta'])] } : {}),
      ...(this.chance(30) ? { ids: [this.below(50), this.below(50)] } : {}),
      ...(this.chance(20) ? { mips: [0] } : {}),
      ...(this.chance(5) ? this.pick<WireMap>([{ box: 5 }, { kinds: ['none'] }, { ids: new Uint8Array(5) }]) : {}),
    };
  }

  subscription(ledger: SessionLedger): ClientMessage {
    const sub = this.#sub();
    const path = this.chance(80) ? EDITED : this.pick(PATHS);
    const open = ledger.subscriptions.ids;
    switch (this.below(10)) {
      case 0:
      case 1:
      case 2:
        return {
          ...{ kind: 'SUBSCRIBE', id: sub, path, epoch: this.chance(90) ? (this.epoch ?? null) : new Uint8Array(8) },
          after: this.chance(40) ? null : this.chance(80) ? 0 : this.below(300),
          ...(this.chance(10) ? { snapshot: this.chance(50) } : {}),
          ...(this.chance(30) ? { filter: this.#filter() } : {}),
          ...(this.chance(50) ? { presence: true } : {}),
          ...(this.chance(30) ? { wids: this.#wids } : {}),
          ...(this.chance(5) ? { chk: new Uint8Array(8) } : {}),
          ...(this.chance(10)
            ? { snap: [this.below(50), this.pick(['links', 'rows:neuron', 'x']), this.below(9)] }
            : {}),
          ...(this.chance(50) ? { win: this.pick([1, 100_000, 2 ** 22]) } : {}),
        };
      case 3:
        return { kind: 'UNSUBSCRIBE', id: this.#freshId(), sub: this.chance(90) ? sub : this.id() };
      case 4:
        return { kind: 'FOCUS', id: this.#freshId(), sub, filter: this.#filter() };
      case 5:
        return {
          ...{ kind: 'HISTORY', id: this.id(), path, after: this.below(60), limit: 1 + this.below(256) },
          ...(this.chance(20) ? { kinds: ['merge', 'put'] } : {}),
          ...(this.chance(10) ? { user: 'nobody' } : {}),
        };
      case 6:
        return { kind: 'CANCEL', id: sub };
      default:
        return {
          ...{
            kind: 'PRESENCE',
            id: this.chance(90) && open.length > 0 ? this.pick(open) : sub,
            n: this.below(2 ** 31),
          },
          state: this.chance(10)
            ? null
            : { cursor: [this.below(100), 0.5, 3], tool: 'x'.repeat(this.below(40) * this.below(15)) },
        };
    }
  }

  /** EDITs of everything, some of it wrong; and voxels for them. */
  edit(): ClientMessage[] {
    const wid = this.pick(this.#wids);
    const last = this.#wseqs.get(wid) ?? 0;
    const wseq = this.chance(85) ? last + 1 + this.below(2) : Math.max(1, last - this.below(4));
    this.#wseqs.set(wid, Math.max(last, wseq));
    const bulks: ClientMessage[] = [];
    const isEdited = this.chance(85);
    const ops = Array.from({ length: this.chance(70) ? 1 : this.below(5) }, () => this.#op(isEdited, wseq, bulks));
    const edit: ClientMessage = {
      ...{ kind: 'EDIT', id: this.#freshId(), path: isEdited ? EDITED : this.pick(PATHS), wid, wseq, ops },
      base: this.chance(70) ? null : this.below(60),
      ...(this.epoch !== undefined && this.chance(80) ? { epoch: this.epoch } : {}),
      ...(this.chance(10) ? { policy: this.pick(['none', 'scope', 'strict'] as const) } : {}),
      ...(this.chance(10) ? { note: 'why not' } : {}),
    };
    return this.chance(70) ? [...bulks, edit] : [edit, ...bulks];
  }

  #op(isEdited: boolean, wseq: number, bulks: ClientMessage[]): WireMap {
    const id = (): number => this.below(60);
    const ids = (): number[] => Array.from({ length: this.below(5) }, id);
    const put = (): WireMap => ({
      ...{ op: 'put', table: this.pick(['neuron', 'annotation', 'synapse']), create: this.chance(20) },
      rows: [
        {
          key: id(),
          kind: 'point',
          points: [id(), 1, 2],
          point: [id(), 2, 0.5],
          pre: id(),
          post: id(),
          ids: ids(),
          text: 'x'.repeat(this.below(4_000)),
        },
      ],
    });
    const anywhere: (() => WireMap)[] = [
      () => ({ op: 'merge', ids: ids() }),
      () => ({ op: 'merge', ids: ids() }),
      () => ({ op: 'cleave', ids: ids() }),
      () => ({ op: 'undo', seq: this.below(80) }),
      put,
      () => ({ op: 'delete', table: 'neuron', keys: ids() }),
      () => ({
        op: 'meta',
        key: this.pick(['a', 'b', 'constructor', '']),
        value: this.pick([1, null, 'x', { y: [1] }]),
      }),
      () => ({ op: this.pick(['write', 'nothing', 'split']), box: 5, ids: null }),
    ];
    const voxels: (() => WireMap)[] = [
      () => ({ op: 'write', box: this.#small(), value: this.chance(30) ? 'new' : this.below(60) }),
      () => ({ op: 'split', id: id(), box: this.#small(), mask: Uint8Array.of(this.below(20), 1 + this.below(40)) }),
      () => ({
        op: 'split',
        id: id(),
        box: this.#small(),
        seeds: [
          [1, 1, 1, 1 + this.below(2)],
          [2, 2, 2, 2],
        ],
      }),
      () => ({ op: 'region', id: id(), region: this.below(3), box: this.chance(50) ? this.#small() : null }),
      () => this.#bulkWrite(wseq, bulks),
    ];
    return this.pick(isEdited ? [...anywhere, ...voxels] : anywhere)();
  }

  #small(): Box {
    const [x, y, z] = [this.below(60), this.below(35), this.below(25)];
    return [x, y, z, x + 1 + this.below(12), y + 1 + this.below(8), z + 1 + this.below(6)];
  }

  /** With its voxels whole, in halves, too few, or not at all. */
  #bulkWrite(wseq: number, bulks: ClientMessage[]): WireMap {
    const box = this.#small();
    const [sizeX, sizeY, sizeZ] = boxShape(box);
    const bytes = new Uint8Array(4 * sizeX * sizeY * sizeZ);
    const id = ++this.#bulks;
    const half = this.chance(40) ? Math.floor(bytes.length / 8) * 4 : 0;
    const cuts = half === 0 || half === bytes.length ? [0, bytes.length] : [0, half, bytes.length];
    for (let i = 1; i < cuts.length; i++) {
      if (this.chance(5)) continue;
      const [from = 0, to = 0] = [cuts[i - 1], cuts[i]];
      const flags = (i > 1 ? TileFlag.CONT : 0) | (i === cuts.length - 1 ? TileFlag.LAST : 0);
      const header = {
        ...{
          type: BULK_TYPE as typeof BULK_TYPE,
          id,
          flags,
          item: 0,
          seq: wseq,
          mip: 0,
          x: box[0],
          y: box[1],
          z: box[2],
          encoding: 0,
        },
        ...{ rawLength: from === 0 ? bytes.length : from, crc32: 0, sizeX, sizeY, length: to - from },
      } as const;
      bulks.push({ kind: 'BULK', id, header, payload: bytes.subarray(from, to) });
    }
    return { op: 'write', box, bulk: id };
  }

  /** What this server does not support, and what only servers say. */
  misplaced(): Uint8Array {
    const [id, path] = [this.id(), this.pick(PATHS)];
    return this.pick<() => Uint8Array>([
      () => encodeClient({ kind: 'HELLO', id, v: [1], client: 'again', feat: [] }).slice(),
      () => encodeClient({ kind: 'AUTH', id, token: 'none' }).slice(),
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
      dice < 25
        ? this.pull()
        : dice < 33
          ? this.cutout()
          : dice < 52
            ? this.credit(ledger)
            : dice < 62
              ? { kind: 'CANCEL', id: this.id() }
              : dice < 85
                ? this.subscription(ledger)
                : this.question();
    return encodeClient(message).slice();
  }

  /** Frames that go together; most times one. */
  any(ledger: SessionLedger): Uint8Array[] {
    if (this.chance(3)) {
      // Over before it has begun.
      const sub = this.#sub();
      const asked: ClientMessage = { kind: 'SUBSCRIBE', id: sub, path: EDITED, epoch: null, after: null };
      const ended: ClientMessage = this.chance(70)
        ? { kind: 'UNSUBSCRIBE', id: this.#freshId(), sub }
        : { kind: 'CANCEL', id: sub };
      return [asked, ended].map((message) => encodeClient(message).slice());
    }
    if (this.chance(20)) return this.edit().map((message) => encodeClient(message).slice());
    if (this.chance(85)) return [this.legal(ledger)];
    if (this.chance(60)) return [this.misplaced()];
    return [this.mutated(this.legal(ledger))];
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
