/** Colours and type of the page. The dimmed text is darker than the library's own, so that it can be read. */
import { createTheme, type CSSVariablesResolver } from '@mantine/core';

/** Colours and type of the page. */
export const theme = createTheme({
  primaryColor: 'cyan',
  primaryShade: 9, // white on it can be read, in the dark too
  autoContrast: true,
  defaultRadius: 'sm',
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  headings: { fontWeight: '650' },
});

/** Variables that the theme has no dial for. Under the pointer a button gets darker: the library's lighter shade makes white unreadable. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: { '--mantine-primary-color-filled-hover': '#095c6b' },
  light: { '--mantine-color-dimmed': '#52606a', '--mantine-color-error': '#991212' },
  dark: { '--mantine-color-dimmed': '#a6b0b8', '--mantine-color-error': '#ffc0bd' },
});
