/** Which role, and of which site where it is a steward's. */
import { NativeSelect, Stack } from '@mantine/core';
import { sites, useResource } from '../api/resources.ts';
import { roleSchema, type Role } from '../api/schemas.ts';

/** What somebody may do. */
export interface Standing {
  readonly role: Role;
  /** Of a steward; empty while none is chosen. */
  readonly site: string;
}

const roleTexts: Readonly<Record<Role, string>> = {
  administrator: 'administrator: sees and does everything',
  scientist: 'scientist: sees everything but accounts, makes and runs tasks',
  viewer: 'viewer: sees everything but accounts and adapter files',
  steward: 'steward: sees one site and its part in tasks',
};

/** Whether it can be sent. */
export function isWholeStanding({ role, site }: Standing): boolean {
  return role !== 'steward' || site !== '';
}

/** As the coordinator takes it: a steward has a site, nobody else. */
export function bodyOfStanding({ role, site }: Standing): {
  readonly role: Role;
  readonly site?: string;
} {
  return role === 'steward' ? { role, site } : { role };
}

/** Which role, and of which site. */
export function RoleFields(props: {
  readonly standing: Standing;
  readonly onChange: (standing: Standing) => void;
}) {
  const { standing, onChange } = props;
  const names = useResource(sites).data?.sites.map(({ site }) => site) ?? [];
  return (
    <Stack gap="md">
      <NativeSelect
        label="Role"
        data={roleSchema.options.map((role) => ({ value: role, label: roleTexts[role] }))}
        value={standing.role}
        onChange={(event) =>
          onChange({ ...standing, role: roleSchema.parse(event.currentTarget.value) })
        }
      />
      {standing.role === 'steward' && (
        <NativeSelect
          label="Site"
          required
          data={[{ value: '', label: 'choose one' }, ...names]}
          value={standing.site}
          onChange={(event) => onChange({ ...standing, site: event.currentTarget.value })}
        />
      )}
    </Stack>
  );
}
