//! Paginators: Query, Scan and ListTables to their end.

use std::collections::VecDeque;
use std::future::Future;

use sealdb_model::Item;
use sealdb_model::ops::{
    ListTablesInput, ListTablesOutput, QueryInput, QueryOutput, ScanInput, ScanOutput,
};

use crate::client::Client;
use crate::error::Error;

/// The pages of a Query.
pub type QueryPages = Pages<QueryInput>;
/// The pages of a Scan.
pub type ScanPages = Pages<ScanInput>;
/// The pages of ListTables.
pub type ListTablesPages = Pages<ListTablesInput>;

impl Client {
    /// All pages of a query. `limit` is the size of a page.
    pub fn query_pages(&self, input: QueryInput) -> QueryPages {
        Pages::new(self, input)
    }

    /// All pages of a scan, or of one of its segments. `limit` is the size of a page.
    pub fn scan_pages(&self, input: ScanInput) -> ScanPages {
        Pages::new(self, input)
    }

    /// All pages of the list of tables. `limit` is the size of a page.
    pub fn list_tables_pages(&self, input: ListTablesInput) -> ListTablesPages {
        Pages::new(self, input)
    }
}

/// Pages, fetched one by one as they are asked for.
#[derive(Debug)]
pub struct Pages<I> {
    client: Client,
    /// `None` after the last page.
    next: Option<I>,
}

impl<I> Pages<I> {
    fn new(client: &Client, input: I) -> Self {
        Self {
            client: client.clone(),
            next: Some(input),
        }
    }
}

impl<I: Paged> Pages<I> {
    /// The next page; `None` after the last one. After an error the same page is tried again.
    pub async fn next(&mut self) -> Option<Result<I::Output, Error>> {
        let input = self.next.as_ref()?;
        match input.fetch(&self.client).await {
            Ok(page) => {
                self.next = self.next.take().and_then(|input| input.after(&page));
                Some(Ok(page))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// The items (or names) of the pages, one by one.
    pub fn items(self) -> Items<I> {
        Items {
            pages: self,
            page: VecDeque::new(),
        }
    }
}

/// The items (or names) of all pages, one by one.
#[derive(Debug)]
pub struct Items<I: Paged> {
    pages: Pages<I>,
    page: VecDeque<I::Element>,
}

impl<I: Paged> Items<I> {
    /// The next one; `None` after the last. After an error the same page is tried again.
    pub async fn next(&mut self) -> Option<Result<I::Element, Error>> {
        loop {
            if let Some(item) = self.page.pop_front() {
                return Some(Ok(item));
            }
            // A page may be empty and yet not the last.
            match self.pages.next().await? {
                Ok(page) => self.page = I::elements(page).into(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// An input whose answer comes in pages. Implemented here only.
pub trait Paged: sealed::Sealed + Sized {
    /// A page.
    type Output;
    /// One of its elements.
    type Element;
    /// Fetches the page that the input names.
    #[doc(hidden)]
    fn fetch(&self, client: &Client) -> impl Future<Output = Result<Self::Output, Error>> + Send;
    /// The input of the page after this one, if there may be more.
    #[doc(hidden)]
    fn after(self, page: &Self::Output) -> Option<Self>;
    /// The elements of a page.
    #[doc(hidden)]
    fn elements(page: Self::Output) -> Vec<Self::Element>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::QueryInput {}
    impl Sealed for super::ScanInput {}
    impl Sealed for super::ListTablesInput {}
}

macro_rules! paged {
    ($input:ident, $output:ident, $element:ty, $operation:ident, $start:ident, $last:ident, $elements:ident) => {
        impl Paged for $input {
            type Output = $output;
            type Element = $element;

            fn fetch(
                &self,
                client: &Client,
            ) -> impl Future<Output = Result<$output, Error>> + Send {
                client.$operation(self.clone())
            }

            fn after(mut self, page: &$output) -> Option<Self> {
                self.$start = Some(page.$last.clone()?);
                Some(self)
            }

            fn elements(page: $output) -> Vec<$element> {
                page.$elements
            }
        }
    };
}
paged!(
    QueryInput,
    QueryOutput,
    Item,
    query,
    exclusive_start_key,
    last_evaluated_key,
    items
);
paged!(
    ScanInput,
    ScanOutput,
    Item,
    scan,
    exclusive_start_key,
    last_evaluated_key,
    items
);
paged!(
    ListTablesInput,
    ListTablesOutput,
    String,
    list_tables,
    exclusive_start_table_name,
    last_evaluated_table_name,
    table_names
);
