/** Follows the session, its channels and the pixels, for the status. */
import { type ReadonlySignal, type Signal, signal } from '@preact/signals';
import type { ChannelInfo, LiveChannel } from '../../../client/index.ts';
import { afterTheView, onNextFrame } from '../next-frame.ts';
import type { StageVolume } from '../stage.ts';
import type { VolumeView } from '../volume/volume-view.ts';
import { type ChannelStatus, type Status, type StatusFacts, statusOf } from './status.ts';

/** What the status tells, looked at again at most once a frame. */
export class LineState {
  readonly #view: VolumeView;
  readonly #facts: Signal<StatusFacts>;
  readonly #status: Signal<Status>;
  readonly #frame = onNextFrame(() => this.#look());
  /** For what every edit changes. */
  readonly #later = afterTheView(() => this.#look());
  readonly #watched = new WeakSet<object>();
  readonly #ends: (() => void)[];
  #pixels = '';
  #ended: string | undefined;
  #isKept = true;

  constructor(view: VolumeView) {
    this.#view = view;
    const facts = this.#read();
    this.#facts = signal(facts);
    this.#status = signal(statusOf(facts));
    const ask = (): void => this.#frame.ask();
    this.#ends = [
      view.session.on('state', ask),
      view.session.on('error', ({ message }) => {
        if (message.includes('store of writers')) this.#isKept = false;
        ask();
      }),
      view.stage.on('volumes', () => this.#watch()),
      view.past.on(ask),
      view.access.wanted.subscribe(ask),
      view.kept.found.subscribe(ask),
      view.onWorker((message) => {
        if (message.kind === 'state') this.#pixels = message.state;
        else if (message.kind === 'refused') this.#pixels = 'refused';
        else return;
        ask();
      }),
      () => this.#frame.cancel(),
      () => this.#later.cancel(),
    ];
    void view.session.closed.then(({ error, reason }) => {
      this.#ended = error instanceof Error ? error.message : reason;
      ask();
    });
    this.#watch();
  }

  get facts(): ReadonlySignal<StatusFacts> {
    return this.#facts;
  }

  get status(): ReadonlySignal<Status> {
    return this.#status;
  }

  end(): void {
    for (const end of this.#ends) end();
  }

  #watch(): void {
    for (const { channel } of this.#view.stage.volumes) {
      if (channel === undefined || this.#watched.has(channel)) continue;
      this.#watched.add(channel);
      const ask = (): void => this.#later.ask();
      this.#ends.push(channel.subscription.on('state', ask), channel.subscription.on('live', ask));
      this.#ends.push(channel.on('change', ask));
    }
    this.#frame.ask();
  }

  #look(): void {
    const facts = this.#read();
    this.#facts.value = facts;
    const status = statusOf(facts);
    const { text, meaning } = this.#status.value;
    if (status.text !== text || status.meaning !== meaning) this.#status.value = status;
  }

  #read(): StatusFacts {
    const { session, stage, access, kept, past } = this.#view;
    const channels = new Map<string, ChannelStatus>();
    for (const volume of stage.volumes)
      if (!channels.has(volume.path) || volume.channel !== undefined)
        channels.set(volume.path, channelStatus(volume, past.at !== undefined));
    return {
      session: session.state,
      ended: this.#ended,
      token: access.wanted.value,
      channels: [...channels.values()],
      found: kept.found.value,
      isKept: this.#isKept,
      pixels: this.#pixels,
    };
  }
}

function channelStatus({ path, info, channel }: StageVolume, isPast: boolean): ChannelStatus {
  const readOnly = readOnlyReason(info, channel, isPast);
  if (channel === undefined) return { path, seq: 0, head: 0, isLoading: false, unsaved: 0, unanswered: 0, readOnly };
  const { seq, head, loading, live } = channel.subscription;
  const { unsaved } = channel;
  return {
    ...{ path, seq, head, readOnly },
    isLoading: loading || (!live && head === 0),
    unsaved: unsaved.length,
    unanswered: unsaved.filter((edit) => edit.seq === undefined).length,
  };
}

function readOnlyReason(info: ChannelInfo, channel: LiveChannel | undefined, isPast: boolean): string | undefined {
  if (isPast) return 'The past is shown, and it does not change';
  if (channel === undefined) return 'The link names a moment of the past, which does not change';
  if (info.rights !== undefined && !info.rights.includes('annotate'))
    return 'You may look, but the server lets you change nothing';
  return info.editable ? undefined : 'The volume takes no edits';
}
