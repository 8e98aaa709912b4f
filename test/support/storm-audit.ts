/** Readers that come after each restart of a server in a storm: the log goes on where it was, and voxels are what the log says. */
import { connect, type Session } from '../../src/client/node.ts';
import { canonical, digestOf, foldLog } from './edit-oracle.ts';
import { Probe } from './probe.ts';
import { readLog } from './storm.ts';
import { MAX_ID, SEGMENTATION } from './storm-volume.ts';
import { ReplayedVoxels } from './storm-voxels.ts';

/** Keeps what it read, and compares. */
export class StormAudit {
  readonly #replay = new ReplayedVoxels();
  #epoch: string | undefined;
  /** Comparisons so far, and seqs that they were made at. */
  readonly seqs: number[] = [];

  /** Reads what is new of the log and, by two connections, the voxels at its head; says what is wrong. */
  async faults(url: string): Promise<string[]> {
    const faults = await this.#readLog(url);
    const at = this.#replay.log.length;
    this.seqs.push(at);
    const readers = await Promise.all([0, 1].map(() => connect(url, { reconnect: false })));
    try {
      const info = await readers[0]?.info(SEGMENTATION);
      const levels = info?.kind === 'channel' ? info.mips.length : 1;
      const wanted = this.#wanted(levels);
      for (const [n, reader] of readers.entries()) {
        const seen = await whatIsSeen(reader, at, levels);
        for (const [what, digest] of wanted)
          if (seen.get(what) !== digest)
            faults.push(`reader ${n} at ${at}: ${what} is ${seen.get(what)}, the log says ${digest}`);
      }
    } finally {
      await Promise.all(readers.map((reader) => reader.close()));
    }
    return faults;
  }

  /** What everybody must see now. */
  #wanted(levels: number): Map<string, string> {
    const { log } = this.#replay;
    const voxels = this.#replay.levels(levels);
    const ids = [...new Set(voxels[0])];
    const fold = foldLog(log);
    const roots = new Set(ids.map((id) => BigInt(fold.root(String(id)))));
    return new Map([
      ...voxels.map((level, mip): [string, string] => [`mip ${mip}`, digestOf({ level: bytesOf(level) })]),
      ['unique', inOrder(ids)],
      ['unique bodies', inOrder([...roots])],
    ]);
  }

  async #readLog(url: string): Promise<string[]> {
    const probe = await Probe.hello(url, { feat: ['history'] });
    const faults: string[] = [];
    const last = this.#replay.log.at(-1);
    const log = await readLog(probe, SEGMENTATION, Math.max(0, this.#replay.log.length - 1));
    probe.close();
    this.#epoch ??= log.epoch;
    if (log.epoch !== this.#epoch) faults.push(`the epoch was ${this.#epoch} and is ${log.epoch}`);
    const [again, ...later] = last === undefined ? [undefined, ...log.edits] : log.edits;
    if (last !== undefined && (again === undefined || canonical(again) !== canonical(last)))
      faults.push(`edit ${last['seq']} was ${last['note']} and is ${again?.['note']}`);
    for (const edit of later) if (edit !== undefined) this.#replay.take(edit);
    return faults;
  }
}

/** Digests of what one connection sees at a seq. */
async function whatIsSeen(reader: Session, at: number, levels: number): Promise<Map<string, string>> {
  const seen = new Map<string, string>();
  for (let mip = 0; mip < levels; mip++) {
    const { data } = await reader.cutout(SEGMENTATION, { mip, at });
    seen.set(`mip ${mip}`, digestOf({ level: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }));
  }
  seen.set('unique', inOrder([...(await reader.unique(SEGMENTATION, { at }))]));
  seen.set('unique bodies', inOrder([...(await reader.unique(SEGMENTATION, { at, map: 'merged' }))]));
  return seen;
}

const bytesOf = (level: BigUint64Array): Uint8Array => new Uint8Array(level.buffer, level.byteOffset, level.byteLength);

/** Ids in words: those beyond the ingested ones are few enough to be told. */
function inOrder(ids: readonly bigint[]): string {
  const sorted = ids.toSorted((a, b) => (a < b ? -1 : 1));
  return `${sorted.length} ids, beyond ${MAX_ID}: ${sorted.filter((id) => id > BigInt(MAX_ID))}; ${digestOf({ sorted })}`;
}
