/** PULL, CUTOUT and PRIO: requests whose answer is a stream. */
import { BflyError } from '../../../protocol/errors.ts';
import { FRAME, WINDOW } from '../../../protocol/limits.ts';
import type { ClientMessage, Cutout, EndStatus, Pull } from '../../../protocol/messages.ts';
import { BYTES_PER_VOXEL, boxShape, type Vec3 } from '../../../protocol/volume.ts';
import type { Channel } from '../../core/channel.ts';
import type { OpenedReading } from '../../core/reading.ts';
import { boxVolume } from '../../query/box.ts';
import { levelOf } from '../../query/query.ts';
import { npyHeader } from '../../utility/npy.ts';
import { LoadLine } from '../session/load-line.ts';
import type { Stream } from '../session/send-queue.ts';
import type { OpenRequest, SessionContext } from '../session/session-context.ts';
import { BytesParts, CutoutStream, JoinedParts, type PartSource } from './cutout-stream.ts';
import { PullStream } from './pull-stream.ts';

/** Loads of one connection that run ahead of what is sent next. */
const READ_AHEAD_LOADS = 4;
/** CUTOUTs of a connection that are worked on at once. */
const CUTOUTS_AT_ONCE = 2;
const DEFAULT_URGENCY = 3;
/** How long an image that was made may wait for credit, ms. */
const UNTAKEN_MS = 30_000;

/** Streams of one session. */
export class PullRequests {
  readonly #context: SessionContext;
  readonly #pulls = new Map<number, PullStream>();
  /** Pull that a key's next pull replaces. */
  readonly #byKey = new Map<string, number>();
  readonly #waitingCutouts: (() => void)[] = [];
  #cutouts = 0;
  /** Cutouts that were made whole: how much of each was taken when it was looked at last, and since when. */
  readonly #made = new Map<CutoutStream, { readonly sent: number; readonly since: number }>();
  /** Of tiles that are next; those of pulls that were given up go on, and count. */
  readonly #nextLoads: LoadLine;
  #loads = 0;
  #opening = 0;
  /** Streams that are open, and the path that each reads. */
  readonly #reads = new Map<Stream, string>();

  constructor(context: SessionContext) {
    this.#context = context;
    this.#nextLoads = new LoadLine(context.home.limits.pulls);
    context.onIdentity(() => this.#endUnreadable());
  }

  /** Ends the streams of paths that may be read no more. */
  #endUnreadable(): void {
    for (const [stream, path] of this.#reads) this.#isReadable(stream, path);
  }

  /** Whether a stream's path may be read at this moment; where not, the stream is ended by an ERROR. */
  #isReadable(stream: Stream, path: string): boolean {
    try {
      this.#context.checkRead(path);
      return true;
    } catch (error) {
      this.#context.queue.remove(stream.id);
      stream.fail(error);
      return false;
    }
  }

  /** Opens a pull: its reply, then TILE frames as credit allows, then END. */
  pull(message: Pull): void {
    const { requests, home } = this.#context;
    this.#endReplaced(message.replace);
    if (this.#pulls.size + this.#opening >= home.limits.pulls)
      return this.#context.error(message.id, new BflyError('LIMIT', `at most ${home.limits.pulls} pulls may be open`));
    if (message.replace !== undefined) this.#byKey.set(message.replace, message.id);
    this.#opening++;
    const opening = this.#placeholder(message.id, () => this.#forgetKey(message.replace, message.id));
    this.#openPull(message)
      .finally(() => {
        this.#opening--;
      })
      .then(
        (stream) => {
          if (requests.get(message.id) !== opening) return;
          this.#startPull(message, stream);
        },
        (error: unknown) => {
          this.#forgetKey(message.replace, message.id);
          this.#fail(message.id, opening, error);
        },
      );
  }

  async #openPull(message: Pull): Promise<{ stream: PullStream; reply: () => void }> {
    // First of all, so that no other fault tells whether the path is there.
    this.#context.checkRead(message.path);
    const { home, connection, queue, frameBytes } = this.#context;
    const plan = await home.core.openPull(message, message.enc ?? ['raw'], home.limits.tiles, message);
    const context = {
      core: home.core,
      connection,
      queue,
      frameBytes: message.frame === undefined ? frameBytes : clampFrame(message.frame),
      nextLoads: this.#nextLoads,
      fail: (id: number, error: unknown) => this.#sendFault(id, error),
      startLoad: () => {
        if (this.#loads >= READ_AHEAD_LOADS) return false;
        this.#loads++;
        return true;
      },
      endLoad: () => {
        this.#loads--;
      },
      ended: (id: number) => {
        this.#pulls.delete(id);
        this.#reads.delete(stream);
        this.#context.requests.delete(id);
        this.#forgetKey(message.replace, id);
      },
    };
    const [x0, y0, z0, x1, y1, z1] = message.box;
    // Not by shifts: the sum of two i32 may be none.
    const centre: Vec3 = [Math.floor((x0 + x1) / 2), Math.floor((y0 + y1) / 2), Math.floor((z0 + z1) / 2)];
    const stream: PullStream = new PullStream(plan, context, {
      id: message.id,
      urgency: message.urgency ?? DEFAULT_URGENCY,
      order: message.order ?? 'near',
      focus: message.focus ?? centre,
    });
    const reply = (): void =>
      this.#context.send({
        kind: 'PULL_OK',
        id: message.id,
        tiles: plan.tiles,
        dtype: plan.dtype,
        at: plan.seq,
      });
    return { stream, reply };
  }

  #startPull(message: Pull, { stream, reply }: { stream: PullStream; reply: () => void }): void {
    const { requests, queue } = this.#context;
    this.#pulls.set(message.id, stream);
    this.#reads.set(stream, message.path);
    requests.set(message.id, stream);
    if (!this.#isReadable(stream, message.path)) return;
    reply();
    queue.add(stream, this.#window(message.win));
    queue.pump();
  }

  /** Rule [D1]: a pull with the key of an open one ends that one. */
  #endReplaced(key: string | undefined): void {
    const older = key === undefined ? undefined : this.#byKey.get(key);
    if (older !== undefined) this.#context.requests.get(older)?.cancel('replaced');
  }

  #forgetKey(key: string | undefined, id: number): void {
    if (key !== undefined && this.#byKey.get(key) === id) this.#byKey.delete(key);
  }

  /** Changes urgency and focus of an open pull; one that has ended is no fault. */
  prioritise(message: Extract<ClientMessage, { kind: 'PRIO' }>): void {
    const { queue } = this.#context;
    const stream = this.#pulls.get(message.pull);
    if (stream !== undefined) {
      queue.reprioritise(message.pull, message.urgency);
      if (message.focus !== null) stream.refocus(message.focus);
    }
    this.#context.send({ kind: 'PRIO_OK', id: message.id });
    queue.pump();
  }

  /** Opens a cutout when it is its turn. */
  cutout(message: Cutout): void {
    const { home } = this.#context;
    const waiting = this.#placeholder(message.id, () => this.#leaveLine(enter));
    const work = (): void => {
      if (this.#context.requests.get(message.id) !== waiting) return this.#endCutout(message);
      this.#openCutout(message).then(
        (start) => {
          if (this.#context.requests.get(message.id) === waiting) start();
          else this.#endCutout(message);
        },
        (error: unknown) => {
          this.#endCutout(message);
          this.#fail(message.id, waiting, error);
        },
      );
    };
    // What is put together as credit comes holds nothing while none comes: it takes no place among the server's.
    const enter = (): void => (isStreamed(message) ? work() : home.startCutout(work));
    if (this.#cutouts < CUTOUTS_AT_ONCE) {
      this.#cutouts++;
      enter();
    } else this.#waitingCutouts.push(enter);
  }

  /** Nothing of a CUTOUT that was given up stays in line. */
  #leaveLine(enter: () => void): void {
    const at = this.#waitingCutouts.indexOf(enter);
    if (at >= 0) this.#waitingCutouts.splice(at, 1);
  }

  /** Gives back a CUTOUT's places: the connection's, and the server's where it had one. */
  #endCutout(message: Cutout): void {
    if (!isStreamed(message)) this.#context.home.endCutout();
    const next = this.#waitingCutouts.shift();
    if (next === undefined) this.#cutouts--;
    else next();
  }

  async #openCutout(message: Cutout): Promise<() => void> {
    this.#context.checkRead(message.path);
    const { home, queue, connection } = this.#context;
    const { core, limits } = home;
    const channel = await core.updateQuery(message);
    const opened = await core.openReading(channel, message);
    levelOf(channel.mips, message.mip);
    const bytes = boxVolume(message.box) * BYTES_PER_VOXEL[opened.dtype];
    const format = message.format ?? 'raw';
    const most = isStreamed(message) ? limits.cutout : limits.cutoutEncoded;
    if (bytes > most)
      throw new BflyError(
        'TOO_LARGE',
        `the box holds ${bytes} bytes; a ${format} CUTOUT may have ${most}: pull it instead`,
      );
    const { parts, mime } = await this.#parts(message, channel, opened);
    const stream: CutoutStream = new CutoutStream(
      message.id,
      message.urgency ?? DEFAULT_URGENCY,
      message.mip,
      message.box,
      opened.at,
      parts,
      {
        connection,
        queue,
        scratch: (size) => (connection.copiesOnSend ? home.scratch(size) : new Uint8Array(size)),
        ended: (id) => {
          this.#context.requests.delete(id);
          this.#made.delete(stream);
          this.#reads.delete(stream);
          this.#endCutout(message);
        },
        fail: (id, error) => this.#sendFault(id, error),
      },
    );
    return () => {
      if (!isStreamed(message)) this.#made.set(stream, { sent: 0, since: home.now() });
      this.#context.requests.set(message.id, stream);
      this.#reads.set(stream, message.path);
      if (!this.#isReadable(stream, message.path)) return;
      this.#context.send({
        kind: 'CUTOUT_OK',
        id: message.id,
        dtype: opened.dtype,
        shape: boxShape(message.box),
        bytes: parts.totalBytes,
        seq: opened.at,
        mime,
      });
      queue.add(stream, this.#window(message.win));
      queue.pump();
    };
  }

  async #parts(message: Cutout, channel: Channel, opened: OpenedReading): Promise<{ parts: PartSource; mime: string }> {
    const { core } = this.#context.home;
    const frameBytes = message.frame === undefined ? this.#context.frameBytes : clampFrame(message.frame);
    const { mip, box, format = 'raw', view = 'grayscale' } = message;
    if (isStreamed(message)) {
      const voxels = core.openCutout(channel, mip, box, frameBytes, opened.reading);
      if (format === 'raw') return { parts: voxels, mime: 'application/octet-stream' };
      const header = new BytesParts(npyHeader(opened.dtype, boxShape(box)), frameBytes);
      return { parts: new JoinedParts([header, voxels]), mime: 'application/x-npy' };
    }
    const { bytes, mime } = await core.render(channel, await core.readBox(channel, mip, box, opened), format, view);
    return { parts: new BytesParts(bytes, frameBytes), mime };
  }

  /** Ends cutouts that were made whole and of which nothing is taken: their bytes and their place are wanted elsewhere. */
  sweep(now: number): void {
    for (const [stream, { sent, since }] of this.#made) {
      if (stream.sentBytes > sent) this.#made.set(stream, { sent: stream.sentBytes, since: now });
      else if (now - since >= UNTAKEN_MS) {
        this.#context.queue.remove(stream.id);
        stream.fail(new BflyError('UNAVAILABLE', `nothing of the cutout was taken for ${UNTAKEN_MS / 1_000} s`));
      }
    }
  }

  #window(wish: number | undefined): number {
    return wish === undefined ? this.#context.windowBytes : Math.min(WINDOW.max, Math.max(WINDOW.min, wish));
  }

  /** Holds a request's id while it waits or opens. */
  #placeholder(id: number, forget: () => void = () => {}): OpenRequest {
    const { requests, queue } = this.#context;
    queue.expect(id);
    const request: OpenRequest = {
      cancel: (status: EndStatus) => {
        requests.delete(id);
        queue.remove(id);
        forget();
        // No reply has been sent yet: END has to come after one, an ERROR takes its place.
        this.#context.error(id, new BflyError('CANCELLED', status));
      },
      drop: forget,
    };
    requests.set(id, request);
    return request;
  }

  #fail(id: number, holder: OpenRequest, error: unknown): void {
    const { requests, queue } = this.#context;
    if (requests.get(id) !== holder) return;
    requests.delete(id);
    queue.remove(id);
    this.#sendFault(id, error);
  }

  #sendFault(id: number, error: unknown): void {
    if (!(error instanceof BflyError)) this.#context.home.log.error({ err: error }, 'a request failed');
    this.#context.error(id, error instanceof BflyError ? error : new BflyError('INTERNAL', 'the request failed'));
  }
}

/** Whether a cutout is put together part by part; others are made whole before the first byte is sent. */
function isStreamed({ format = 'raw', view = 'grayscale' }: Cutout): boolean {
  return (format === 'raw' || format === 'npy') && view === 'grayscale';
}

function clampFrame(bytes: number): number {
  return Math.min(FRAME.max, Math.max(FRAME.min, bytes));
}
