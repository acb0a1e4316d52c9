/** A text to be used elsewhere, with a button that copies it. */
import { Button, CopyButton, Group } from '@mantine/core';

/** A text with a button that copies it. `name` says what it is. */
export function CopyText({ name, text }: { readonly name: string; readonly text: string }) {
  return (
    <Group gap="xs" wrap="nowrap" align="flex-start">
      <code className="copy-text" aria-label={name}>
        {text}
      </code>
      <CopyButton value={text}>
        {({ copied, copy }) => (
          <Button
            size="compact-sm"
            variant="default"
            onClick={copy}
            aria-label={`Copy: ${name}`}
            className="copy-button"
          >
            {copied ? 'Copied' : 'Copy'}
          </Button>
        )}
      </CopyButton>
    </Group>
  );
}
