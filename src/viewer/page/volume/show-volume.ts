/** A view on some channels: Neuroglancer, alive, and our panels around it. */
import { signal } from '@preact/signals';
import type { Session } from '../../../client/index.ts';
import type { Access } from '../access.ts';
import type { KeptWriters } from '../kept-writers.ts';
import type { ChunkLine } from '../neuroglancer/chunk-line.ts';
import { openViewer, type ViewerParts } from '../neuroglancer/open-viewer.ts';
import { ViewerStage } from '../neuroglancer/viewer-stage.ts';
import { ImageQuality } from '../quality/image-quality.ts';
import { takeToken } from '../token.ts';
import { hasWebGl, showNoWebGl } from './no-webgl.ts';
import { OpenChannels } from './open-channels.ts';
import { startParts } from './parts.ts';
import { PastMoment } from './past-moment.ts';
import { tellChanges } from './tell-changes.ts';
import type { VolumeView } from './volume-view.ts';
import './volume.css';

/** What a view needs. */
export interface VolumeDeps {
  readonly session: Session;
  /** Begun meanwhile. */
  readonly line: ChunkLine;
  readonly access: Access;
  readonly kept: KeptWriters;
}

/** Shows the view that the address names. @returns a function that ends it. */
export function showVolume(root: HTMLElement, { session, line, access, kept }: VolumeDeps): () => void {
  const { bar, element, dock } = layOut(root);
  const { tell: tellWorker, on: onWorker } = line;
  // It may have begun before the server was given a token.
  const tellToken = (): void => {
    const token = takeToken();
    if (token !== undefined) tellWorker({ kind: 'token', token });
  };
  tellToken();
  onWorker(({ kind }) => kind === 'ready' && tellToken());
  const channels = new OpenChannels(session, (open) => tellChanges(open, tellWorker));
  const past = new PastMoment();
  const viewer = tryToOpen({
    ...{ element, line, past },
    token: takeToken,
    open: async (path) => {
      const { info, channel } = await channels.of(path);
      return info.type === 'segmentation' ? channel : undefined;
    },
  });
  if (viewer === undefined) {
    showNoWebGl(root);
    channels.close();
    line.close();
    return () => {};
  }
  const stage = new ViewerStage({
    ...{ viewer, element },
    channelOf: (path) => channels.of(path),
    showAt: (path, at, boxes) => tellWorker({ kind: 'at', path, at, ...(boxes === undefined ? {} : { boxes }) }),
  });
  const refresh = (): void => void channels.refresh().then((isOther) => isOther && stage.tellVolumes());
  const ends = [session.on('renewed', refresh), session.on('state', (state) => state === 'live' && refresh())];
  const tool = signal('');
  const view: VolumeView = {
    ...{ session, stage, channels, past, dock, bar, tool, access, kept, tellWorker, onWorker },
    ...{ quality: new ImageQuality(line), seen: stage.seen() },
  };
  const end = startParts(view);
  // For scripts on the page, and for tests.
  Object.assign(window, { viewer, bfly: view });
  return () => {
    for (const stop of ends) stop();
    end();
    channels.close();
    viewer.dispose();
    line.close();
  };
}

/** @returns undefined where the browser cannot draw. */
function tryToOpen(parts: ViewerParts): ReturnType<typeof openViewer> | undefined {
  try {
    return openViewer(parts);
  } catch (error) {
    // Asked only now: a context takes its time.
    if (hasWebGl()) throw error;
    return undefined;
  }
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
