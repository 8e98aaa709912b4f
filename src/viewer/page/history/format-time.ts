/** Times as the history says them. Pure. */

const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const year = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
const whole = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'medium' });

/** `12:03` of today, `3 Mar, 12:03` of this year, else with the year. */
export function formatWhen(ms: number, now: number): string {
  const [at, today] = [new Date(ms), new Date(now)];
  if (at.toDateString() === today.toDateString()) return time.format(at);
  return (at.getFullYear() === today.getFullYear() ? day : year).format(at);
}

/** The whole moment, to the second. */
export function formatExact(ms: number): string {
  return whole.format(ms);
}
