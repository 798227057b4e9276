"""Index what agents find an account by: names and identifiers, word by word."""

from django.db import migrations

# Identifiers are plain letters and digits: only names need folding. Each part is immutable (`concat_ws` is not), so that
# PostgreSQL can inline the function.
CREATE = """
CREATE FUNCTION agents_account_words(given text, family text, uid text, address text, hr_id text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN array_to_tsvector(array_remove(string_to_array(
        directory_fold(given || ' ' || family)
            || CASE WHEN family ~ '[^A-Za-z]' THEN ' ' || replace(directory_fold(family), ' ', '') ELSE '' END
            || translate(
                lower(' ' || uid || ' ' || split_part(address, '@', 1) || ' ' || coalesce(hr_id, '')),
                '._/+''&=~-',
                '         '
            ),
        ' '
    ), ''));
COMMENT ON FUNCTION agents_account_words IS 'Names and identifiers in small letters, word by word';
CREATE INDEX agents_account_search ON accounts_account USING gin (
    agents_account_words(given_name, family_name, uid, institutional_address, hr_id)
);
"""
DROP = "DROP INDEX agents_account_search; DROP FUNCTION agents_account_words;"


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_initial"), ("directory", "0002_search_functions")]
    operations = [migrations.RunSQL(CREATE, DROP)]
