/** Opens Neuroglancer in an element, fed by our worker, with its state in the address. */
import 'neuroglancer';
import 'neuroglancer/unstable/sliceview/chunk_format_handlers.js';
import 'neuroglancer/unstable/ui/default_viewer.css';
import { registerProvider } from 'neuroglancer/unstable/datasource/default_provider.js';
import { DisplayContext } from 'neuroglancer/unstable/display_context.js';
import { frontendOnlyKvStoreProviderRegistry } from 'neuroglancer/unstable/kvstore/frontend.js';
import {
  bindDefaultCopyHandler,
  bindDefaultPasteHandler,
} from 'neuroglancer/unstable/ui/default_clipboard_handling.js';
import { setDefaultInputEventBindings } from 'neuroglancer/unstable/ui/default_input_event_bindings.js';
import { disableContextMenu, disableWheel } from 'neuroglancer/unstable/ui/disable_default_actions.js';
import { UrlHashBinding } from 'neuroglancer/unstable/ui/url_hash_binding.js';
import { Viewer } from 'neuroglancer/unstable/viewer.js';
import type { LiveChannel } from '../../../client/index.ts';
import type { PastView } from '../volume/past-moment.ts';
import type { ChunkLine } from './chunk-line.ts';
import { chunkStoreProvider } from './chunk-store.ts';
import { letMessagesBeHeard } from './heard-messages.ts';
import { liveSourceProvider } from './live-source.ts';
import type { VolumeFile } from './messages.ts';
import { makeContext } from './page-context.ts';

/** What a viewer needs. */
export interface ViewerParts {
  readonly element: HTMLElement;
  readonly line: ChunkLine;
  readonly token: () => string | undefined;
  /** The channel whose bodies a segmentation shows. */
  readonly open: (path: string) => Promise<LiveChannel | undefined>;
  /** Whether the past is shown: nothing is edited then. */
  readonly past: PastView;
}

/** Opens a viewer; once a page. @throws Error where the browser has no WebGL 2. */
export function openViewer({ element, line, token, open, past }: ViewerParts): Viewer {
  const fetcher = {
    ...{ folder: line.folder, token, chunk: undefined },
    // The worker needs it next.
    readInfo: (address: string, info: VolumeFile) => line.tell({ kind: 'info', address, info }),
  };
  frontendOnlyKvStoreProviderRegistry.registerBaseKvStoreProvider(() => chunkStoreProvider(fetcher));
  registerProvider(liveSourceProvider(open, past));
  disableContextMenu();
  disableWheel();
  letMessagesBeHeard();
  const display = new DisplayContext(element);
  const viewer = new Viewer(display, { dataContext: makeContext(display, line), showLayerDialog: false });
  setDefaultInputEventBindings(viewer.inputEventBindings);
  const binding = new UrlHashBinding(viewer.state, viewer.dataSourceProvider.sharedKvStoreContext);
  viewer.registerDisposer(binding);
  binding.updateFromUrlHash();
  bindDefaultCopyHandler(viewer);
  bindDefaultPasteHandler(viewer);
  return viewer;
}
