/**
 * Runs before all else, beside the page's own script: asks at once for what the address will need, which that script would only find out step by
 * step, a round trip each. The bundler names the files (`bundle.ts`).
 */
{
  const { view = '', home = '', worker = '' } = document.currentScript?.dataset ?? {};
  const isView = location.hash.startsWith('#!') || new URLSearchParams(location.search).has('open');
  for (const href of (isView ? view : home).split(' ')) {
    const link = document.createElement('link');
    document.head.append(Object.assign(link, { rel: 'modulepreload', href }));
  }
  // Its bytes are taken, so that the browser has them when the worker begins.
  if (isView)
    fetch(worker).then(
      (response) => response.arrayBuffer(),
      () => {},
    ); // who needs it says what is wrong
}
