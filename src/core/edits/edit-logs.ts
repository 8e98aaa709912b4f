/** The edit logs of a server: one for each channel that is open. What reading needs of them: `channel-edits.ts`. */
import type { Database } from '../../database/database.ts';
import type { Logger } from '../../utility/log.ts';
import type { Channel } from '../channel.ts';
import type { ChannelEdits, EditsOfChannels } from './channel-edits.ts';
import { EditFeed } from './edit-feed.ts';
import { EditLog } from './edit-log.ts';
import type { ChannelRows, LogContext } from './log-context.ts';

/** What the logs of a server share. */
export interface EditLogsOptions {
  readonly database: Database;
  readonly log: Logger;
  readonly writersPerUser: number;
  readonly onCommit?: LogContext['onCommit'];
  rowsOf(channel: Channel): Promise<ChannelRows>;
  maxIdOf(channel: Channel): bigint | undefined;
  voxelDeps(channel: Channel): LogContext['voxelDeps'];
}

/** A channel's log with what stands on it. */
export interface OpenLog {
  readonly log: EditLog;
  readonly feed: EditFeed;
}

/** All open logs. */
export class EditLogs implements EditsOfChannels {
  readonly #options: EditLogsOptions;
  /** By the channel's number: the same log for whoever has the channel open, however often it was opened. */
  readonly #logs = new Map<number, Promise<OpenLog>>();
  readonly #open = new Map<number, OpenLog>();

  constructor(options: EditLogsOptions) {
    this.#options = options;
  }

  async open(channel: Channel): Promise<void> {
    let opening = this.#logs.get(channel.number);
    if (opening === undefined) {
      opening = this.#openLog(channel);
      this.#logs.set(channel.number, opening);
      // A log that cannot be read now may be read when the channel is asked for again.
      opening.catch(() => this.#logs.delete(channel.number));
    }
    this.#open.set(channel.number, await opening);
  }

  of(channel: Channel): ChannelEdits | undefined {
    return this.#open.get(channel.number)?.log.view;
  }

  /** The log of a channel that is open. */
  logOf(channel: Channel): OpenLog | undefined {
    return this.#open.get(channel.number);
  }

  async closeLog(channel: Channel): Promise<void> {
    const open = this.#open.get(channel.number) ?? (await this.#logs.get(channel.number));
    await open?.log.close();
    this.#logs.delete(channel.number);
    this.#open.delete(channel.number);
  }

  /** Waits for what every log has taken, and ends them: all of them, also where one fails. @throws what the first of those threw. */
  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#logs.values());
    const closed = await Promise.allSettled(
      opened.map(async (result) => result.status === 'fulfilled' && (await result.value.log.close())),
    );
    for (const result of closed) if (result.status === 'rejected') throw result.reason;
  }

  async #openLog(channel: Channel): Promise<OpenLog> {
    const { database, log, writersPerUser, rowsOf, maxIdOf, voxelDeps, onCommit } = this.#options;
    const context: LogContext = {
      channel,
      database,
      log,
      writersPerUser,
      ...(onCommit === undefined ? {} : { onCommit }),
      openRows: () => rowsOf(channel),
      maxId: () => maxIdOf(channel),
      voxelDeps: voxelDeps(channel),
    };
    const editLog = await EditLog.open(context);
    return { log: editLog, feed: new EditFeed(editLog) };
  }
}
