/** Draws outlines of shapes on a canvas. */
import type { Outline, Pixel } from './outline.ts';

/** What is drawn of one shape. */
export interface Mark {
  readonly outline: Outline;
  readonly color: string;
  readonly text: string;
  readonly isSelected: boolean;
  /** Not there yet: dashed. */
  readonly isDraft?: boolean;
}

const EDGE = 'rgb(0 0 0 / 65%)';
const HALO = '#fff';
const FONT = '12px system-ui, sans-serif';
const DOT = 4;
/** With more marks than this each is smaller. */
const CROWD = 200;
const HEAD = 9;
/** Steps of paleness. */
const SHADES = 4;
/** Texts at once, and letters of one. */
const MAX_TEXTS = 150;
const MAX_LETTERS = 48;
/** Of what is paler no text is shown. */
const TEXT_ALPHA = 0.35;

/** Draws marks, the selected ones over all others, then their texts where there is room. */
export function paint(context: CanvasRenderingContext2D, marks: readonly Mark[]): void {
  context.lineJoin = 'round';
  context.lineCap = 'round';
  const selected = marks.filter(({ isSelected }) => isSelected);
  const size = marks.length > CROWD ? 0.6 : 1;
  for (const alike of inGroups(marks.filter(({ isSelected }) => !isSelected))) paintAlike(context, alike, size);
  for (const mark of selected) paintAlike(context, [mark], 1);
  context.globalAlpha = 1;
  context.setLineDash([]);
  context.font = FONT;
  context.textBaseline = 'middle';
  const taken: (readonly [x: number, y: number, width: number])[] = [];
  for (const mark of [...selected, ...marks]) {
    if (taken.length >= MAX_TEXTS) break;
    if (mark.text !== '' && mark.outline.alpha >= TEXT_ALPHA) paintText(context, mark, taken);
  }
}

/** Marks that look alike, palest first: one stroke draws hundreds. */
function inGroups(marks: readonly Mark[]): readonly (readonly Mark[])[] {
  const groups = new Map<string, Mark[]>();
  for (const mark of marks) {
    const look = `${shadeOf(mark)} ${mark.color} ${mark.isDraft === true}`;
    const group = groups.get(look);
    if (group === undefined) groups.set(look, [mark]);
    else group.push(mark);
  }
  return [...groups.values()].sort(([a], [b]) => (a && b ? shadeOf(a) - shadeOf(b) : 0));
}

/** How clearly it is drawn, in few steps. */
function shadeOf({ outline, isSelected }: Mark): number {
  const shade = Math.ceil(outline.alpha * SHADES) / SHADES;
  return isSelected ? Math.max(shade, 0.6) : shade;
}

/** @param marks of one look, at least one. @param size 1 = as large as they are where there are few. */
function paintAlike(context: CanvasRenderingContext2D, marks: readonly Mark[], size: number): void {
  const [first] = marks;
  if (first === undefined) return;
  const edge = first.isSelected ? HALO : EDGE;
  context.globalAlpha = shadeOf(first);
  context.setLineDash(first.isDraft === true ? [5, 5] : []);
  context.beginPath();
  for (const { outline } of marks) addLines(context, outline, HEAD * size);
  stroke(context, edge, (first.isSelected ? 5 : 3.5) * size);
  stroke(context, first.color, 2 * size);
  context.setLineDash([]);
  context.beginPath();
  for (const { outline } of marks)
    for (const [x, y] of outline.dots) {
      context.moveTo(x + DOT * size, y);
      context.arc(x, y, DOT * size, 0, 2 * Math.PI);
    }
  context.fillStyle = first.color;
  context.fill();
  stroke(context, edge, (first.isSelected ? 2.5 : 1.5) * size);
}

function addLines(context: CanvasRenderingContext2D, { lines, hasHead }: Outline, head: number): void {
  for (const [first, ...rest] of lines) {
    if (first === undefined) continue;
    context.moveTo(first[0], first[1]);
    for (const [x, y] of rest) context.lineTo(x, y);
  }
  if (hasHead) addHead(context, lines.at(-1) ?? [], head);
}

function stroke(context: CanvasRenderingContext2D, color: string, width: number): void {
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke();
}

/** Two strokes back from the end of a line. */
function addHead(context: CanvasRenderingContext2D, line: readonly Pixel[], head: number): void {
  const [from, to] = [line.at(-2), line.at(-1)];
  if (from === undefined || to === undefined) return;
  const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
  for (const side of [-0.45, 0.45]) {
    context.moveTo(to[0], to[1]);
    context.lineTo(to[0] - head * Math.cos(angle + side), to[1] - head * Math.sin(angle + side));
  }
}

function paintText(
  context: CanvasRenderingContext2D,
  { outline, text, isSelected }: Mark,
  taken: (readonly [number, number, number])[],
): void {
  const letters = text.length > MAX_LETTERS ? `${text.slice(0, MAX_LETTERS - 1)}…` : text;
  const [x, y] = [outline.label[0] + 8, outline.label[1] - 9];
  const { width } = context.measureText(letters);
  const isFree = taken.every(([x0, y0, w]) => Math.abs(y - y0) > 13 || x > x0 + w || x + width < x0);
  if (!isFree && !isSelected) return;
  taken.push([x, y, width]);
  context.lineWidth = 3;
  context.strokeStyle = 'rgb(0 0 0 / 80%)';
  context.strokeText(letters, x, y);
  context.fillStyle = '#fff';
  context.fillText(letters, x, y);
}
