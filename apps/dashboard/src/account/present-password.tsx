/** The field of one's present password. */
import { PasswordInput } from '@mantine/core';

/** The field of one's present password, by which somebody shows that it is they who change the account. */
export function PresentPassword(props: {
  readonly value: string;
  readonly onChange: (value: string) => void;
}) {
  return (
    <PasswordInput
      label="Present password"
      autoComplete="current-password"
      required
      maxLength={256}
      value={props.value}
      onChange={(event) => props.onChange(event.currentTarget.value)}
    />
  );
}
