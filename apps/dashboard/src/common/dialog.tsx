/** A window over the page: the browser's own, which keeps the focus inside, closes with Escape and gives the focus back. */
import { Group, Stack, Title } from '@mantine/core';
import { useEffect, useId, useRef, type ReactNode } from 'react';

/** What takes the focus where the button that opened a window is gone. */
function placeBeneath(): HTMLElement | null {
  const opened = [...document.querySelectorAll<HTMLElement>('dialog[open]')];
  return opened.at(-1) ?? document.getElementById('content');
}

/** A window over the page, open for as long as it is rendered. */
export function Dialog(props: {
  readonly title: string;
  /** Something is under way that cannot be called off: Escape waits for its end. */
  readonly isBusy?: boolean;
  readonly onClose: () => void;
  readonly children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    if (element !== null && !element.open) element.showModal();
    return () => {
      element?.close();
      const isThere = before instanceof HTMLElement && before.isConnected;
      (isThere ? before : placeBeneath())?.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      className="dialog"
      tabIndex={-1}
      aria-labelledby={id}
      onCancel={(event) => {
        // Escape in a window over this one is heard here too, and means that one alone.
        if (event.target !== event.currentTarget) return;
        event.preventDefault();
        if (props.isBusy !== true) props.onClose();
      }}
      onClose={({ target, currentTarget }) => {
        // A second Escape closes it whatever the first was answered.
        if (target !== currentTarget || !currentTarget.isConnected) return;
        if (props.isBusy === true) currentTarget.showModal();
        else props.onClose();
      }}
    >
      <Stack gap="md">
        <Title order={2} size="h4" id={id}>
          {props.title}
        </Title>
        {props.children}
      </Stack>
    </dialog>
  );
}

/** The buttons at the end of a window. */
export function DialogButtons({ children }: { readonly children: ReactNode }) {
  return (
    <Group justify="flex-end" gap="xs">
      {children}
    </Group>
  );
}
