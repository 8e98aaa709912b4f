/** Neuroglancer's list of messages, at the bottom of the window, for who does not see it. */
import { StatusMessage } from 'neuroglancer/unstable/status.js';

/** Messages are read out as they come, from now on. Once a page. */
export function letMessagesBeHeard(): void {
  const probe = new StatusMessage();
  const list = probe.element.parentElement;
  probe.dispose();
  if (list === null) return;
  const heard = document.createElement('div');
  heard.setAttribute('role', 'status');
  // Only what is new, not all that stands there.
  heard.setAttribute('aria-atomic', 'false');
  // It stays a list: a role of its own would take that from it.
  list.replaceWith(heard);
  heard.append(list);
}

/** Shows a message for a while. @param isUrgent it is read out at once. */
export function showMessage(text: string, ms: number, isUrgent: boolean): void {
  const { element } = StatusMessage.showTemporaryMessage(isUrgent ? '' : text, ms);
  if (!isUrgent) return;
  const alert = document.createElement('span');
  alert.setAttribute('role', 'alert');
  alert.textContent = text;
  element.append(alert);
}
