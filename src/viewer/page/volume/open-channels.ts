/** The channels that a view shows, each followed once, whatever layers show it. */
import type { ChannelInfo, LiveChannel, Session } from '../../../client/index.ts';
import { hasManyRows, WITHOUT_ROWS } from '../annotations/large-tables.ts';

/** A channel that is followed. */
export interface OpenChannel {
  /** The newest: what one may do to it may change. */
  readonly info: ChannelInfo;
  readonly channel: LiveChannel;
}

/** Opens channels. */
export class OpenChannels {
  readonly #session: Session;
  readonly #onOpen: (open: OpenChannel) => void;
  readonly #open = new Map<string, Promise<OpenChannel>>();

  /** @param onOpen hears of each that was opened. */
  constructor(session: Session, onOpen: (open: OpenChannel) => void) {
    this.#session = session;
    this.#onOpen = onOpen;
  }

  /** @throws BflyError NOT_FOUND, FORBIDDEN, BAD_REQUEST. */
  of(path: string): Promise<OpenChannel> {
    let open = this.#open.get(path);
    if (open === undefined) {
      open = this.#begin(path);
      this.#open.set(path, open);
      open.catch(() => this.#open.delete(path));
    }
    return open;
  }

  async #begin(path: string): Promise<OpenChannel> {
    const info = await this.#session.info(path);
    if (info.kind !== 'channel') throw new Error(`${path} is a dataset: name one of its channels`);
    // Very many rows are followed apart, those near the view alone.
    const filter = hasManyRows(info) ? { filter: WITHOUT_ROWS } : {};
    const channel = this.#session.open(path, { presence: true, ...filter });
    const open = { info, channel };
    this.#onOpen(open);
    return open;
  }

  /** Asks again what one may do. @returns whether anything is different now. */
  async refresh(): Promise<boolean> {
    const changes = [...this.#open].map(async ([path, opening]) => {
      const open: { info: ChannelInfo } = await opening;
      const info = await this.#session.info(path);
      if (info.kind !== 'channel' || isAllowedAlike(info, open.info)) return false;
      open.info = info;
      return true;
    });
    return (await Promise.allSettled(changes)).some((change) => change.status === 'fulfilled' && change.value);
  }

  close(): void {
    for (const open of this.#open.values()) void open.then(({ channel }) => channel.close());
    this.#open.clear();
  }
}

function isAllowedAlike(a: ChannelInfo, b: ChannelInfo): boolean {
  return a.editable === b.editable && String(a.rights) === String(b.rights);
}
