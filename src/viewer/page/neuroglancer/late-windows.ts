/**
 * Stands in for windows of Neuroglancer that nobody sees before asking for them, some 40 KB: the bundler puts it in the place of their modules
 * (`LATE_WINDOWS` in bundle.ts), and what was asked of it is done by the real ones as soon as those have come.
 */
import { USER_LAYER_TABS } from 'neuroglancer/unstable/layer/index.js';
import { StatusMessage } from 'neuroglancer/unstable/status.js';
import { Tab } from 'neuroglancer/unstable/widget/tab_view.js';

type Real = typeof import('./window-library.ts');

const TAB = { id: 'source', label: 'Source', order: -100 };

/** Does something with the real windows once they are there. */
function once(act: (real: Real) => void): void {
  const coming = import('./window-library.ts').then((real) => {
    // The real tab has put itself into the list, where this one is already.
    const [, second] = USER_LAYER_TABS.flatMap(({ id }, at) => (id === TAB.id ? [at] : []));
    if (second !== undefined) USER_LAYER_TABS.splice(second, 1);
    return real;
  });
  coming.then(act, () => StatusMessage.showTemporaryMessage('This window could not be loaded: try again', 8_000));
}

/** The window of screenshots. */
export class ScreenshotDialog {
  constructor(...args: ConstructorParameters<Real['ScreenshotDialog']>) {
    once((real) => new real.ScreenshotDialog(...args));
  }
}

/** The state of the view as JSON, to be edited. */
export class StateEditorDialog {
  constructor(...args: ConstructorParameters<Real['StateEditorDialog']>) {
    once((real) => new real.StateEditorDialog(...args));
  }
}

/** A tab of a layer that shows another inside, once that is there. */
class LateTab extends Tab {
  constructor(make: (real: Real) => Tab) {
    super();
    once((real) => {
      if (this.wasDisposed) return;
      const tab = this.registerDisposer(make(real));
      const follow = (): void => {
        tab.visibility.value = this.visibility.value;
      };
      follow();
      this.registerDisposer(this.visibility.changed.add(follow));
      this.element.append(tab.element);
    });
  }
}

/** The segments of a layer: lists of those that are selected or looked for. */
export class SegmentDisplayTab extends LateTab {
  constructor(...args: ConstructorParameters<Real['SegmentDisplayTab']>) {
    super((real) => new real.SegmentDisplayTab(...args));
  }
}

// Where a layer's data come from.
USER_LAYER_TABS.push({ ...TAB, getter: (layer) => new LateTab((real) => new real.LayerDataSourcesTab(layer)) });
