/** A view on some channels: Neuroglancer, alive, and our panels around it. */
import { signal } from '@preact/signals';
import type { Session } from '../../../client/index.ts';
import type { Access } from '../access.ts';
import type { KeptWriters } from '../kept-writers.ts';
import type { FromWorker, ToWorker } from '../neuroglancer/messages.ts';
import { openViewer } from '../neuroglancer/open-viewer.ts';
import { ViewerStage } from '../neuroglancer/viewer-stage.ts';
import { takeToken } from '../token.ts';
import { OpenChannels } from './open-channels.ts';
import { startParts } from './parts.ts';
import { PastMoment } from './past-moment.ts';
import { tellChanges } from './tell-changes.ts';
import type { VolumeView } from './volume-view.ts';
import './volume.css';

/** What a view needs. */
export interface VolumeDeps {
  readonly session: Session;
  /** The page's folder on the server. */
  readonly folder: string;
  readonly access: Access;
  readonly kept: KeptWriters;
}

/** Shows the view that the address names. @returns a function that ends it. */
export function showVolume(root: HTMLElement, { session, folder, access, kept }: VolumeDeps): () => void {
  const { bar, element, dock } = layOut(root);
  const line = new BroadcastChannel(`bfly-${crypto.getRandomValues(new Uint32Array(4)).join('-')}`);
  const tellWorker = (message: ToWorker): void => line.postMessage(message);
  const listeners = new Set<(message: FromWorker) => void>();
  line.onmessage = ({ data }: MessageEvent<FromWorker>): void => {
    for (const listener of listeners) listener(data);
  };
  const channels = new OpenChannels(session, (open) => tellChanges(open, tellWorker));
  const token = takeToken();
  const past = new PastMoment();
  const viewer = openViewer({
    ...{ element, past },
    worker: { channel: line.name, folder, ...(token === undefined ? {} : { token }) },
    token: takeToken,
    open: async (path) => {
      const { info, channel } = await channels.of(path);
      return info.type === 'segmentation' ? channel : undefined;
    },
  });
  const stage = new ViewerStage({
    ...{ viewer, element },
    channelOf: (path) => channels.of(path),
    showAt: (path, at, boxes) => tellWorker({ kind: 'at', path, at, ...(boxes === undefined ? {} : { boxes }) }),
  });
  const onWorker = (listener: (message: FromWorker) => void): (() => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  const refresh = (): void => void channels.refresh().then((isOther) => isOther && stage.tellVolumes());
  const ends = [session.on('renewed', refresh), session.on('state', (state) => state === 'live' && refresh())];
  const tool = signal('');
  const view: VolumeView = { session, stage, channels, past, dock, bar, tool, access, kept, tellWorker, onWorker };
  const end = startParts(view);
  // For scripts on the page, and for tests.
  Object.assign(window, { viewer, bfly: view });
  return () => {
    for (const stop of ends) stop();
    end();
    channels.close();
    line.close();
    viewer.dispose();
  };
}

function layOut(root: HTMLElement): { bar: HTMLElement; element: HTMLElement; dock: HTMLElement } {
  const make = (name: string, tag = 'div'): HTMLElement => {
    const element = document.createElement(tag);
    element.className = name;
    return element;
  };
  const [volume, bar, middle, element, dock] = [
    make('volume'),
    make('volume-bar', 'header'),
    make('volume-middle'),
    make('volume-view', 'main'),
    make('volume-dock', 'aside'),
  ];
  element.setAttribute('aria-label', 'Volume');
  dock.setAttribute('aria-label', 'People, history and annotations');
  middle.append(element, dock);
  volume.append(bar, middle);
  root.replaceChildren(volume);
  return { bar, element, dock };
}
