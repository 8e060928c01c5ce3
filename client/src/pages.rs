//! Paginators: Query, Scan and ListTables to their end; and streams, in which the server sends page after page by itself.

use std::collections::VecDeque;
use std::future::Future;

use sealdb_model::Item;
use sealdb_model::ops::{
    ListTablesInput, ListTablesOutput, QueryInput, QueryOutput, ScanInput, ScanOutput,
};

use sealdb_proto::v1;
use tonic::Streaming;

use crate::client::Client;
use crate::error::Error;

/// The pages of a Query.
pub type QueryPages = Pages<QueryInput>;
/// The pages of a Scan.
pub type ScanPages = Pages<ScanInput>;
/// The pages of ListTables.
pub type ListTablesPages = Pages<ListTablesInput>;
/// The pages of a Query as the server sends them.
pub type QueryStream = PageStream<QueryInput>;
/// The pages of a Scan as the server sends them.
pub type ScanStream = PageStream<ScanInput>;

impl Client {
    /// All pages of a query. `limit` is the size of a page.
    pub fn query_pages(&self, input: QueryInput) -> QueryPages {
        Pages::new(self, input)
    }

    /// All pages of a scan, or of one of its segments. `limit` is the size of a page.
    pub fn scan_pages(&self, input: ScanInput) -> ScanPages {
        Pages::new(self, input)
    }

    /// All pages of a query by one call, without a round trip for each. `limit` is the size of a page.
    pub fn query_stream(&self, input: QueryInput) -> QueryStream {
        PageStream::new(self, input)
    }

    /// All pages of a scan, or of one of its segments, by one call, without a round trip for each. `limit` is the size of
    /// a page.
    pub fn scan_stream(&self, input: ScanInput) -> ScanStream {
        PageStream::new(self, input)
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
    pub fn items(self) -> Items<Self> {
        Items::of(self)
    }
}

/// Pages that the server sends one after the other, the next one while this one is looked at. The server reads no further than
/// the caller takes.
#[derive(Debug)]
pub struct PageStream<I: Streamed> {
    client: Client,
    /// What is not answered yet; `None` after the last page.
    next: Option<I>,
    open: Option<Streaming<I::Message>>,
}

impl<I: Streamed> PageStream<I> {
    fn new(client: &Client, input: I) -> Self {
        Self {
            client: client.clone(),
            next: Some(input),
            open: None,
        }
    }

    /// The next page; `None` after the last one. Where the stream breaks it is begun anew after the last page that came, as
    /// often as the retry policy says; after an error that is given back, too.
    pub async fn next(&mut self) -> Option<Result<I::Output, Error>> {
        let mut tries = 1;
        loop {
            let input = self.next.as_ref()?;
            let page = match self.open.take() {
                Some(open) => Self::page(&self.client, open).await,
                None => match input.begin(&self.client).await {
                    Ok(open) => Self::page(&self.client, open).await,
                    Err(error) => Err(error),
                },
            };
            let error = match page {
                Ok((page, open)) => {
                    self.open = Some(open);
                    self.next = self.next.take().and_then(|input| input.after(&page));
                    return Some(Ok(page));
                }
                Err(error) => error,
            };
            match self.client.caller().retry().wait(tries) {
                Some(wait) if error.retryable() => tokio::time::sleep(wait).await,
                _ => return Some(Err(error)),
            }
            tries += 1;
        }
    }

    async fn page(
        client: &Client,
        mut open: Streaming<I::Message>,
    ) -> Result<(I::Output, Streaming<I::Message>), Error> {
        match client.caller().message(&mut open).await? {
            Some(message) => Ok((I::output(message)?, open)),
            // The page before said that there is more.
            None => Err(Error::lost_answer(
                "the stream ended early".to_owned(),
                true,
            )),
        }
    }

    /// The items of the pages, one by one.
    pub fn items(self) -> Items<Self> {
        Items::of(self)
    }
}

/// Where [`Items`] come from: [`Pages`] or a [`PageStream`].
pub trait Source: sealed::Source {
    /// What the pages consist of.
    type Input: Paged;
    /// The next page.
    #[doc(hidden)]
    fn page(
        &mut self,
    ) -> impl Future<Output = Option<Result<<Self::Input as Paged>::Output, Error>>> + Send;
}

impl<I: Paged> Source for Pages<I> {
    type Input = I;

    async fn page(&mut self) -> Option<Result<I::Output, Error>> {
        self.next().await
    }
}

impl<I: Streamed> Source for PageStream<I> {
    type Input = I;

    async fn page(&mut self) -> Option<Result<I::Output, Error>> {
        self.next().await
    }
}

/// The items (or names) of all pages, one by one.
#[derive(Debug)]
pub struct Items<S: Source> {
    pages: S,
    page: VecDeque<<S::Input as Paged>::Element>,
}

impl<S: Source> Items<S> {
    fn of(pages: S) -> Self {
        Self {
            pages,
            page: VecDeque::new(),
        }
    }

    /// The next one; `None` after the last. After an error the same page is tried again.
    pub async fn next(&mut self) -> Option<Result<<S::Input as Paged>::Element, Error>> {
        loop {
            if let Some(item) = self.page.pop_front() {
                return Some(Ok(item));
            }
            // A page may be empty and yet not the last.
            match self.pages.page().await? {
                Ok(page) => self.page = S::Input::elements(page).into(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// An input whose answer comes in pages. Implemented here only.
pub trait Paged: sealed::Sealed + Sized + Send + Sync {
    /// A page.
    type Output: Send;
    /// One of its elements.
    type Element: std::fmt::Debug + Send;
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

/// A [`Paged`] input that the server can answer by a stream of pages. Implemented here only.
pub trait Streamed: Paged {
    /// A page on the wire.
    #[doc(hidden)]
    type Message: std::fmt::Debug + Send;
    /// Begins the stream of the page that the input names and of those after it.
    #[doc(hidden)]
    fn begin(
        &self,
        client: &Client,
    ) -> impl Future<Output = Result<Streaming<Self::Message>, Error>> + Send;
    /// The page of a message.
    #[doc(hidden)]
    fn output(message: Self::Message) -> Result<Self::Output, Error>;
}

macro_rules! streamed {
    ($input:ident, $output:ident, $request:ident, $response:ident, $path:literal) => {
        impl Streamed for $input {
            type Message = v1::$response;

            async fn begin(&self, client: &Client) -> Result<Streaming<v1::$response>, Error> {
                let request = v1::$request::from(self.clone());
                client.caller().stream($path, request).await
            }

            fn output(message: v1::$response) -> Result<$output, Error> {
                Ok(message.try_into()?)
            }
        }
    };
}
streamed!(
    QueryInput,
    QueryOutput,
    QueryRequest,
    QueryResponse,
    "/sealdb.v1.SealDb/QueryStream"
);
streamed!(
    ScanInput,
    ScanOutput,
    ScanRequest,
    ScanResponse,
    "/sealdb.v1.SealDb/ScanStream"
);

mod sealed {
    pub trait Sealed {}
    pub trait Source {}
    impl<I> Source for super::Pages<I> {}
    impl<I: super::Streamed> Source for super::PageStream<I> {}
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
