//! Drawing: shapes as SVG with all of their looks in attributes, so that a picture is one file by itself.

use std::fmt::Write as _;

use super::escape;

/// Of what is sealed.
pub(super) const SEALED: &str = "#0b6e4f";
/// Of what is plain.
pub(super) const PLAIN: &str = "#c77d0a";
/// Of lines that help the eye.
pub(super) const GRID: &str = "#dfe4ea";
/// Of text.
pub(super) const INK: &str = "#1a1f26";
/// Of what matters less.
pub(super) const DIM: &str = "#69737f";
/// Of what is missed.
pub(super) const MISS: &str = "#b3261e";

/// Where a text stands relative to its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture that is being drawn.
pub(super) struct Picture {
    width: f64,
    height: f64,
    body: String,
}

impl Picture {
    pub(super) fn new(width: f64, height: f64, title: &str) -> Self {
        let mut picture = Self {
            width,
            height,
            body: String::new(),
        };
        let _ = write!(picture.body, "<title>{}</title>", escape(title));
        let _ = write!(
            picture.body,
            "<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>"
        );
        picture.styled(12.0, 20.0, Anchor::Start, title, INK, 14.0, true);
        picture
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, text: &str, colour: &str) {
        self.styled(x, y, anchor, text, colour, 11.0, false);
    }

    #[allow(clippy::too_many_arguments)]
    fn styled(
        &mut self,
        x: f64,
        y: f64,
        anchor: Anchor,
        text: &str,
        colour: &str,
        size: f64,
        bold: bool,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if bold { 600 } else { 400 };
        let _ = write!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\" font-size=\"{size}\" \
             font-weight=\"{weight}\">{}</text>",
            escape(text)
        );
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, dashed: bool) {
        let dash = if dashed {
            " stroke-dasharray=\"4 3\""
        } else {
            ""
        };
        let _ = write!(
            self.body,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"{dash}/>",
            from.0, from.1, to.0, to.1
        );
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], colour: &str, dashed: bool) {
        let dash = if dashed {
            " stroke-dasharray=\"5 4\""
        } else {
            ""
        };
        let points: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let _ = write!(
            self.body,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"{dash}/>",
            points.join(" ")
        );
    }

    pub(super) fn dot(&mut self, at: (f64, f64), radius: f64, colour: &str, filled: bool) {
        let fill = if filled { colour } else { "#ffffff" };
        let _ = write!(
            self.body,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\" fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
            at.0, at.1
        );
    }

    pub(super) fn bar(&mut self, at: (f64, f64), size: (f64, f64), colour: &str) {
        let _ = write!(
            self.body,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
            at.0,
            at.1,
            size.0.max(1.0),
            size.1
        );
    }

    pub(super) fn finish(self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" \
             font-family=\"system-ui, sans-serif\" role=\"img\">{2}</svg>\n",
            self.width, self.height, self.body
        )
    }
}
