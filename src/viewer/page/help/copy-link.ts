/** Copies the link of the view. */

/** @returns whether it is in the clipboard. */
export async function copyLink(href: string = location.href): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(href);
    return true;
  } catch {
    return copyByHand(href);
  }
}

/** Pages that came without encryption have no clipboard but this. */
function copyByHand(text: string): boolean {
  const area = document.createElement('textarea');
  const before = document.activeElement;
  area.value = text;
  area.style.position = 'fixed';
  area.style.opacity = '0';
  document.body.append(area);
  area.select();
  const isDone = document.execCommand('copy');
  area.remove();
  if (before instanceof HTMLElement) before.focus();
  return isDone;
}
