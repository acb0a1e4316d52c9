/** A temporary password: shown once, to be handed over. */
import { Button, Text } from '@mantine/core';
import { CopyText } from '../common/copy-text.tsx';
import { DialogButtons } from '../common/dialog.tsx';

/** A temporary password, shown once. */
export function TemporaryPassword(props: {
  readonly user: string;
  readonly password: string;
  readonly onDone: () => void;
}) {
  return (
    <>
      <Text size="sm">
        Hand it over to {props.user} in private. It is good for a week, opens nothing but its own
        change, and is <b>shown only now</b>.
      </Text>
      <CopyText name="Temporary password" text={props.password} />
      <DialogButtons>
        <Button onClick={props.onDone}>I have handed it over</Button>
      </DialogButtons>
    </>
  );
}
