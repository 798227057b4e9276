"""What agents find an account by, spelt as the public directory spells names, with an index for the beginnings."""

from django.db import migrations

# The body after RETURN is read once, here: no later search_path makes another function of it.
CREATE = """
CREATE FUNCTION assistance_searched_words(given text, family text, uid text, address text, hr_id text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ' ' || directory_folded(
        concat_ws(' ', given, family, replace(directory_folded(family), ' ', ''), uid, split_part(address, '@', 1), hr_id)
    );
COMMENT ON FUNCTION assistance_searched_words IS 'Names and identifiers in small letters, a space before each word';
CREATE INDEX assistance_account_search ON accounts_account USING gin (
    assistance_searched_words(given_name, family_name, uid, institutional_address, hr_id) gin_trgm_ops
);
"""
DROP = "DROP INDEX assistance_account_search; DROP FUNCTION assistance_searched_words;"


class Migration(migrations.Migration):
    dependencies = [("assistance", "0002_agents"), ("directory", "0002_search_by_name")]
    operations = [migrations.RunSQL(CREATE, DROP)]
