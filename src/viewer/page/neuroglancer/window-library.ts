/** Windows of Neuroglancer that nobody sees before asking for them: see `late-windows.ts`. */
export { LayerDataSourcesTab } from 'neuroglancer/unstable/ui/layer_data_sources_tab.js';
export { ScreenshotDialog } from 'neuroglancer/unstable/ui/screenshot_menu.js';
export { SegmentDisplayTab } from 'neuroglancer/unstable/ui/segment_list.js';
export { StateEditorDialog } from 'neuroglancer/unstable/ui/state_editor.js';
