/** The path of a site's routes. */
export function sitePath(site: string, rest = ''): string {
  return `/v1/sites/${encodeURIComponent(site)}${rest}`;
}
