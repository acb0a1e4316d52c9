/** A window over the page: the browser's own, which keeps the focus inside, closes with Escape and gives the focus back. */
import { Group, Stack, Title } from '@mantine/core';
import { createContext, useEffect, useId, useRef, type ReactNode, type RefObject } from 'react';

/** Whether something is under way in a window that cannot be called off: Escape waits for its end. */
export const DialogBusy = createContext<RefObject<boolean>>({ current: false });

/** What takes the focus where the button that opened a window is gone. */
function placeBeneath(): HTMLElement | null {
  const opened = [...document.querySelectorAll<HTMLElement>('dialog[open]')];
  return opened.at(-1) ?? document.getElementById('content');
}

/** A window over the page, open for as long as it is rendered. */
export function Dialog(props: {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const isBusy = useRef(false);
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
        if (!isBusy.current) props.onClose();
      }}
      onClose={({ target, currentTarget }) => {
        // A second Escape closes it whatever the first was answered.
        if (target !== currentTarget || !currentTarget.isConnected || currentTarget.open) return;
        if (isBusy.current) currentTarget.showModal();
        else props.onClose();
      }}
    >
      <Stack gap="md">
        <Title order={2} size="h4" id={id}>
          {props.title}
        </Title>
        <DialogBusy value={isBusy}>{props.children}</DialogBusy>
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
