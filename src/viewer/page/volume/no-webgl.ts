/** What is shown in the place of a view where the browser cannot draw one. */

/** Whether the browser has what Neuroglancer draws with. */
export function hasWebGl(): boolean {
  return document.createElement('canvas').getContext('webgl2') !== null;
}

/** Says what is missing and what helps, with a way home. */
export function showNoWebGl(root: HTMLElement): void {
  const make = (tag: string, text: string): HTMLElement =>
    Object.assign(document.createElement(tag), { textContent: text });
  const page = make('main', '');
  page.className = 'volume-none';
  const home = make('a', 'All volumes of this server');
  home.setAttribute('href', './');
  const why = make('p', '');
  why.setAttribute('role', 'alert');
  page.append(make('h1', 'This browser has no WebGL 2'), why, home);
  root.replaceChildren(page);
  // Told to who cannot see it once it changes.
  why.textContent =
    'Images and segments are drawn with WebGL 2. Turn on hardware acceleration (graphics acceleration) in the settings of the browser, under System or Performance, and start it again.';
}
