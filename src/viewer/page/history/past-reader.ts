/** What reads the past, loaded when somebody looks at it. */
export { FileRows } from './file-rows.ts';
export { Timeline } from './timeline.ts';
