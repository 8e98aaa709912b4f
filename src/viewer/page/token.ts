/** The secret that says who we are: given in the link (`#token=…`) or typed in, and kept for this tab alone. */

const KEY = 'bfly.token';

/** Takes the token out of the address, so that it is in no link that is passed on; else the one of before. */
export function takeToken(): string | undefined {
  const match = /(?:^#|[&;])token=([^&;]+)/.exec(location.hash);
  if (match?.[1] !== undefined) {
    keepToken(decodeURIComponent(match[1]));
    const rest = location.hash.replace(match[0], match[0].startsWith('#') ? '#' : '').replace(/^#[&;]/, '#');
    history.replaceState(null, '', rest === '#' ? location.pathname + location.search : rest);
  }
  try {
    return sessionStorage.getItem(KEY) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a token for this tab. */
export function keepToken(token: string): void {
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // Asked for again after a reload.
  }
}
