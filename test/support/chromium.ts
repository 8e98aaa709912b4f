/** A headless Chromium of the system, drawing WebGL in software. */
import { accessSync, constants } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = [
  process.env['BFLY_CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];
const FLAGS = [
  ...['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--force-color-profile=srgb'],
  ...['--disable-background-networking', '--disable-component-update', '--no-first-run', '--disable-sync'],
];

const executablePath = PLACES.find((place) => {
  try {
    if (place !== undefined) accessSync(place, constants.X_OK);
    return place !== undefined;
  } catch {
    return false;
  }
});

/** Whether there is a browser; says loudly that `what` does not run where there is none. */
export function hasChromium(what: string): boolean {
  if (executablePath !== undefined) return true;
  console.warn(`NOT RUN: ${what} needs Chromium: apt-get install chromium, or BFLY_CHROMIUM=its path`);
  return false;
}

/** Starts the browser; the caller closes it. */
export function openChromium(): Promise<Browser> {
  return chromium.launch({ args: FLAGS, ...(executablePath === undefined ? {} : { executablePath }) });
}
