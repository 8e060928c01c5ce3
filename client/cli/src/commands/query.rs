//! `sealdb query` and `sealdb scan`.

use sealdb_model::ops::{QueryInput, ScanInput, Select};
use sealdb_model::{AttributeValue, Item, ScalarType};
use serde_json::json;

use crate::args::{Global, QueryArgs, ReadArgs, ScanArgs};
use crate::connect;
use crate::error::CliError;
use crate::output::Output;
use crate::schema::{Keys, typed};

/// Reads page after page until nothing is left, or enough was read.
macro_rules! read_all {
    ($client:ident, $operation:ident, $input:ident, $args:expr, $keys:ident, $output:ident) => {{
        let args: &ReadArgs = $args;
        $input.index_name = args.index.clone();
        $input.filter_expression = args.filter.clone();
        $input.projection_expression = args.projection.clone();
        let mut read = Read::new(args);
        while let Some(limit) = read.wanted() {
            $input.limit = limit;
            $input.select = read.select();
            let page = $client.$operation($input.clone()).await?;
            read.take(page.items, page.count);
            let Some(last) = page.last_evaluated_key else {
                break;
            };
            $input.exclusive_start_key = Some(last);
        }
        read.show(&$keys, $output)
    }};
}

pub(crate) async fn query(
    args: QueryArgs,
    global: &Global,
    output: Output,
) -> Result<(), CliError> {
    let client = connect::client(global).await?;
    let keys = Keys::of_index(&client, &args.table, args.read.index.as_deref()).await?;
    let mut input = input(&args, &keys)?.scan_index_forward(!args.reverse);
    read_all!(client, query, input, &args.read, keys, output)
}

pub(crate) async fn scan(args: ScanArgs, global: &Global, output: Output) -> Result<(), CliError> {
    let client = connect::client(global).await?;
    let keys = Keys::of_index(&client, &args.table, args.read.index.as_deref()).await?;
    let mut input = ScanInput::new(&args.table);
    input.expression_attribute_names = args.read.placeholders.names()?;
    input.expression_attribute_values = args.read.placeholders.values()?;
    read_all!(client, scan, input, &args.read, keys, output)
}

/// What has been read so far, and how much is still wanted.
struct Read<'a> {
    args: &'a ReadArgs,
    items: Vec<Item>,
    count: u64,
}

impl<'a> Read<'a> {
    fn new(args: &'a ReadArgs) -> Self {
        Read {
            args,
            items: Vec::new(),
            count: 0,
        }
    }

    /// The limit of the next page; `None` if nothing more is wanted.
    fn wanted(&self) -> Option<Option<i32>> {
        match self.args.limit {
            None => Some(None),
            Some(limit) => match limit.saturating_sub(self.count) {
                0 => None,
                // The limit counts what is looked at: with a filter it says nothing about what is found.
                _ if self.args.filter.is_some() => Some(None),
                rest => Some(Some(i32::try_from(rest).unwrap_or(i32::MAX))),
            },
        }
    }

    fn select(&self) -> Option<Select> {
        self.args.count.then_some(Select::Count)
    }

    fn take(&mut self, items: Vec<Item>, count: u32) {
        self.items.extend(items);
        self.count += u64::from(count);
        if let Some(limit) = self.args.limit {
            self.count = self.count.min(limit);
            self.items
                .truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
    }

    fn show(self, keys: &Keys, output: Output) -> Result<(), CliError> {
        match (self.args.count, output.json) {
            (true, true) => output.value(&json!({ "Count": self.count })),
            (true, false) => crate::output::print(&self.count.to_string()),
            // Of what was projected away no empty columns are shown.
            (false, _) if self.args.projection.is_some() => output.items(&self.items, &[]),
            (false, _) => output.items(&self.items, &keys.names()),
        }
    }
}

/// The key condition, of `--pk` and its companions or as given, and all placeholders.
fn input(args: &QueryArgs, keys: &Keys) -> Result<QueryInput, CliError> {
    let names = args.read.placeholders.names()?;
    let values = args.read.placeholders.values()?;
    if let Some(expression) = &args.expression {
        let mut input = QueryInput::new(&args.table, expression);
        input.expression_attribute_names = names;
        input.expression_attribute_values = values;
        return Ok(input);
    }
    let mut input = of_key(args, keys)?;
    let taken = |placeholder: &str| {
        CliError::usage(format!(
            "{placeholder} stands for a part of the key already: take another placeholder"
        ))
    };
    let ours = input.expression_attribute_names.get_or_insert_default();
    for (placeholder, name) in names.unwrap_or_default() {
        if ours.contains_key(&placeholder) {
            return Err(taken(&placeholder));
        }
        ours.insert(placeholder, name);
    }
    let ours = input.expression_attribute_values.get_or_insert_default();
    for (placeholder, value) in values.unwrap_or_default() {
        if ours.get(&placeholder).is_some() {
            return Err(taken(&placeholder));
        }
        ours.insert(placeholder, value);
    }
    Ok(input)
}

/// The key condition of `--pk` and its companions.
fn of_key(args: &QueryArgs, keys: &Keys) -> Result<QueryInput, CliError> {
    let pk = args.pk.as_deref().unwrap_or_default();
    let mut expression = "#pk = :pk".to_owned();
    let mut values = vec![(":pk", typed(pk, keys.partition.1)?)];
    let mut sort = |text: &str,
                    values: &[(&'static str, &str)]|
     -> Result<Vec<(&'static str, AttributeValue)>, CliError> {
        let Some((_, kind)) = &keys.sort else {
            return Err(CliError::usage(
                "the table has no sort key: leave the --sk options out",
            ));
        };
        if text.starts_with(" AND begins_with") && *kind == ScalarType::N {
            return Err(CliError::usage(
                "--sk-begins-with needs a sort key of text or bytes",
            ));
        }
        expression.push_str(text);
        values
            .iter()
            .map(|(name, value)| Ok((*name, typed(value, *kind)?)))
            .collect()
    };
    let simple = [
        (" = ", &args.sk),
        (" < ", &args.sk_lt),
        (" <= ", &args.sk_le),
        (" > ", &args.sk_gt),
        (" >= ", &args.sk_ge),
    ];
    if let Some((operator, Some(value))) = simple.iter().find(|(_, value)| value.is_some()) {
        values.extend(sort(&format!(" AND #sk{operator}:sk"), &[(":sk", value)])?);
    } else if let Some(prefix) = &args.sk_begins_with {
        values.extend(sort(" AND begins_with(#sk, :sk)", &[(":sk", prefix)])?);
    } else if let Some([from, to]) = args.sk_between.as_deref() {
        values.extend(sort(
            " AND #sk BETWEEN :from AND :to",
            &[(":from", from), (":to", to)],
        )?);
    }
    let mut input = QueryInput::new(&args.table, &expression).name("#pk", &keys.partition.0);
    if let Some((name, _)) = keys.sort.as_ref().filter(|_| expression.contains("#sk")) {
        input = input.name("#sk", name);
    }
    Ok(values
        .into_iter()
        .fold(input, |input, (name, value)| input.value(name, value)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn of(line: &[&str]) -> Result<QueryInput, CliError> {
        let keys = Keys {
            partition: ("country".into(), ScalarType::S),
            sort: Some(("rank".into(), ScalarType::N)),
        };
        let cli = Cli::try_parse_from([&["sealdb", "query", "t"], line].concat()).unwrap();
        let Command::Query(args) = cli.command else {
            panic!("not a query")
        };
        input(&args, &keys)
    }

    #[test]
    fn options_become_an_expression() {
        let between = of(&["--pk", "IS", "--sk-between", "1", "20"]).unwrap();
        assert_eq!(
            between.key_condition_expression.as_deref(),
            Some("#pk = :pk AND #sk BETWEEN :from AND :to")
        );
        assert_eq!(
            between
                .expression_attribute_values
                .as_ref()
                .and_then(|values| values.get(":to")),
            Some(&AttributeValue::N("20".parse().unwrap()))
        );
        let only = of(&["--pk", "IS"]).unwrap();
        assert!(
            only.expression_attribute_names
                .as_ref()
                .is_some_and(|names| !names.contains_key("#sk")),
            "an unused name would be refused"
        );
        assert!(
            of(&["--pk", "IS", "--sk-begins-with", "1"]).is_err(),
            "numbers have no prefix"
        );
        assert!(of(&["--pk", "IS", "--sk-gt", "x"]).is_err(), "not a number");
    }

    #[test]
    fn a_filter_has_placeholders_of_its_own() {
        let values = r#"{":e": {"N": "5"}}"#;
        let input = of(&["--pk", "IS", "--filter", "e > :e", "--values", values]).unwrap();
        let names: Vec<&str> = input
            .expression_attribute_values
            .iter()
            .flat_map(|values| values.iter().map(|(name, _)| name))
            .collect();
        assert_eq!(names, [":e", ":pk"]);
        let taken = r#"{":pk": {"N": "5"}}"#;
        let error = of(&["--pk", "IS", "--values", taken]).unwrap_err();
        assert!(error.to_string().contains(":pk"), "{error}");
    }

    #[test]
    fn an_expression_is_taken_as_it_is() {
        let input = of(&[
            "--expression",
            "a = :v",
            "--values",
            r#"{":v": {"S": "x"}}"#,
            "--names",
            r##"{"#n": "m"}"##,
        ])
        .unwrap();
        assert_eq!(input.key_condition_expression.as_deref(), Some("a = :v"));
        assert_eq!(
            input
                .expression_attribute_names
                .as_ref()
                .expect("a query by names")
                .get("#n")
                .map(String::as_str),
            Some("m")
        );
    }
}
