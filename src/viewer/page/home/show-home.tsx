/** The home page: what the server holds, who is in it, and what was done last. */
import './home.css';
import { render } from 'preact';
import { Home, HomeContext, type HomeDeps } from './home.ts';
import { HomePage } from './home-page.tsx';

export type { HomeDeps };

/**
 * Shows the page.
 *
 * @param root empty, and the page's until the end.
 * @returns ends it: what it follows is left, and `root` is empty again. The session goes on.
 */
export function showHome(root: HTMLElement, deps: HomeDeps): () => void {
  const home = new Home(deps);
  render(
    <HomeContext.Provider value={home}>
      <HomePage />
    </HomeContext.Provider>,
    root,
  );
  return () => {
    home.close();
    render(null, root);
  };
}
