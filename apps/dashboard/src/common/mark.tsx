/** Sign and name of the project. */
import { Group, Text } from '@mantine/core';
import markUrl from '../favicon.svg';

/** Sign and name of the project. */
export function Mark() {
  return (
    <Group gap={10} wrap="nowrap">
      <img src={markUrl} width={28} height={28} alt="" />
      <Text fw={700} lh={1.1}>
        MeLo Federation
      </Text>
    </Group>
  );
}
