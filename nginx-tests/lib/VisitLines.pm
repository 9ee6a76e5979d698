# The section "visits": each line is a request and its expected result. nginx-tests/README.md has the grammar.
#
#   --- visits
#   route=ID_B -> B, sees "route=ID_B", sets nothing
#   GET /other a=b -> [AB], sets like "route=ID_[AB]; Path=/"
#
# If its servers do not respond as in lib/Servers.pm, a file describes their responses:
#
#   visit_lines(path => '/t', answer => "NAME URI cookie=[SEEN]\n")
#
# "path" is the default path. "answer" is the body of a response, in which NAME is the server, URI the URI of the request,
# and SEEN the Cookie that the server received; "nothing" is the body if it received none, "answer" by default.
#
# visits_into_sections(BLOCK) converts the section to the lists of requests and expectations that Test::Nginx compares. It
# therefore works in each mode, and Sticky.pm runs it before the file's own preprocessors, which can change the result. The name
# of each check contains its line. A line that cannot be parsed is a failed check, and its block does not run.

package VisitLines;

use strict;
use warnings;

use Exporter 'import';
use Test::More ();
use Test::Nginx::Socket ();

our @EXPORT = qw(visit_lines);

my %how = (path => '/t', answer => "NAME URI cookie=[SEEN]\n");
my (%lines, %name);

sub visit_lines { %how = (%how, @_); return }

sub visits_into_sections {
    my ($block) = @_;
    return if !defined $block->visits;
    my @lines = grep { /\S/ } split /\n/, $block->visits =~ s/\n[ \t]+/ /gr;
    my @wrong = map { "visits together with $_" } grep { defined $block->$_ } qw(request raw_request pipelined_requests more_headers
        error_code error_code_like response_body response_body_like response_headers response_headers_like
        raw_response_headers_like raw_response_headers_unlike);
    push @wrong, 'visits without a line' if !@lines;
    my @visits;
    for my $line (@lines) {
        eval { push @visits, visit($line); 1 } or push @wrong, $line . ' - ' . $@ =~ s/\n\z//r;
    }
    eval { fill_sections($block, @visits); 1 } or push @wrong, $@ =~ s/\n\z//r if !@wrong;
    if (@wrong) {
        Test::More::fail("$0 " . $block->name . " - not understood: $_") for @wrong;
        $block->set_value(SKIP => '');
        return;
    }
    $lines{$block} = \@lines;
    return;
}

# A line as {request, path, fields, status, says, headers, like, unlike}. An expectation of a text is [KIND, TEXT], where
# KIND is "is" or "like"; that of a field has its name before these, and KIND may be "no".
sub visit {
    my ($line) = @_;
    my ($request, $response) = $line =~ /^\s*(?:(.*?) )??-> (.*?)\s*\z/ or die "there is no \"->\"\n";
    my $visit = request_of_line($request // '');
    my $said = items($response);
    $visit->{$_} = $said->{$_} for grep { exists $said->{$_} } qw(status says like unlike);
    $visit->{headers} = [map { [$_, @{$said->{field}{$_}}] } sort keys %{$said->{field} // {}}];
    die "\"sees\" needs a server\n" if $said->{sees} && !$said->{server};
    die "a server or \"says\", not both\n" if $said->{says} && $said->{server};
    $visit->{says} = answer($said->{server}, $visit->{path}, $said->{sees}) if $said->{server};
    return $visit;
}

# The text after the arrow, as {status, server, sees, says, like, unlike, field => {NAME => expectation}}.
sub items {
    my ($response) = @_;
    my $text = qr/"((?:[^"\\]|\\.)*)"/;
    my %said;
    for ($response) {
        while (1) {
            if (/\G([1-5]\d\d)(?=,|\z)/gc) {
                once(\%said, status => $1);
            } elsif (m{\G(\[[A-Z]+\]|[A-Z][A-Z0-9]*)(?: (/[^ ,]*))?(?=,|\z)}gc) {
                once(\%said, server => {name => $1, uri => $2});
            } elsif (/\Gsees (?:nothing|$text)/gc) {
                once(\%said, sees => {cookie => defined $1 ? unquoted($1) : undef});
            } elsif (/\Gsays (like )?$text/gc) {
                once(\%said, says => expectation($1, $2));
            } elsif (/\G(?:sets nothing|no ([A-Z][\w-]*))/gc) {
                once($said{field} //= {}, $1 // 'Set-Cookie', ['no']);
            } elsif (/\G(?:sets|([A-Z][\w-]*)) (like )?$text/gc) {
                once($said{field} //= {}, $1 // 'Set-Cookie', expectation($2, $3));
            } elsif (/\Gheader (un)?like $text/gc) {
                once(\%said, ($1 // '') . 'like', pattern($2));
            } else {
                die 'what is "' . substr($_, pos // 0) . "\"?\n";
            }
            return \%said if /\G\z/gc;
            /\G, /gc or die 'there is no ", " before "' . substr($_, pos // 0) . "\"\n";
        }
    }
}

sub once {
    my ($said, $what, $value) = @_;
    die "$what is given twice\n" if exists $said->{$what};
    $said->{$what} = $value;
    return;
}

sub request_of_line {
    my ($text) = @_;
    $text =~ s/\s+\z//;
    my $method = $text =~ s{^([A-Z]+) (?=/)}{} ? $1 : 'GET';
    my $path = $text =~ s{^(/\S*)(?: |\z)}{} ? $1 : $how{path};
    my @fields;
    my $body = '';
    for (split / \| /, $text) {
        if (/^body "(.*)"\z/) {
            $body = "\n" . unquoted($1);
        } else {
            push @fields, /^[A-Z][\w-]*:(?: |\z)/ ? $_ : "Cookie: $_";
        }
    }
    return {request => "$method $path$body", path => $path, fields => join "\n", @fields};
}

sub unquoted {
    my ($text) = @_;
    my %escape = (n => "\n", r => "\r", t => "\t");
    return $text =~ s{\\x([0-9a-fA-F]{2})|\\(.)}{defined $1 ? chr hex $1 : $escape{$2} // $2}ger;
}

# In a pattern, only \" is replaced; everything else is for Perl.
sub pattern { my ($text) = @_; return $text =~ s/\\"/"/gr }

sub expectation {
    my ($like, $text) = @_;
    return $like ? ['like', pattern($text)] : ['is', unquoted($text)];
}

# The body expected for "B", "[AB]" or "B /uri", and for "sees".
sub answer {
    my ($server, $path, $seen) = @_;
    my $form = $seen && !defined $seen->{cookie} ? $how{nothing} // $how{answer} : $how{answer};
    die "the servers of this file do not say what they are asked for\n" if defined $server->{uri} && $form !~ /\bURI\b/;
    # Without "sees" only the beginning is known.
    my $known = $seen || $form !~ /\b(?:URI|SEEN)\b/;
    $form =~ s/\bNAME\b\K.*//s if !$known && !defined $server->{uri};
    $form =~ s/\bURI\b\K.*//s if !$known;
    my $several = $server->{name} =~ /^\[/;
    my %word = (NAME => $several ? "\0" : $server->{name}, URI => $server->{uri} // $path, SEEN => $seen->{cookie} // '');
    my $text = $form =~ s/\b(NAME|URI|SEEN)\b/$word{$1}/gr;
    return ['is', $text] if $known && !$several;
    return ['like', '\A' . quoted($text) =~ s/\\\0/$server->{name}/r . ($known ? '\z' : '(?!\S)')];
}

# NOW-1 and NOW+1 stay as they are, for Servers.pm.
sub quoted { my ($text) = @_; return quotemeta($text) =~ s/\bNOW\\([-+])/NOW$1/gr }

sub fill_sections {
    my ($block, @visits) = @_;
    $block->set_value(request => [map { $_->{request} } @visits]);
    $block->set_value(more_headers => [map { $_->{fields} } @visits]) if grep { length $_->{fields} } @visits;
    $block->set_value(error_code => [map { $_->{status} // 200 } @visits]) if grep { defined $_->{status} } @visits;

    $block->set_value(response_body => [map {
        my ($kind, $text) = @{$_->{says} // ['like', '']};
        $kind eq 'like' ? qr/$text/s : $text
    } @visits]) if grep { $_->{says} } @visits;

    my @headers = map { @{$_->{headers} // []} } @visits;
    if (@headers) {
        my $like = grep { $_->[1] eq 'like' } @headers;
        $block->set_value($like ? 'response_headers_like' : 'response_headers', [map {
            join "\n", map {
                my ($field, $kind, $text) = @$_;
                $kind eq 'no' ? ($like ? "$field:" : "!$field") : "$field: " . ($like && $kind eq 'is' ? quoted($text) : $text)
            } @{$_->{headers} // []}
        } @visits]);
    }

    for my $kind (qw(like unlike)) {
        my @patterns = grep { defined } map { $_->{$kind} } @visits;
        die "\"header $kind\" is for all lines or for none\n" if @patterns && @patterns != @visits;
        $block->set_value("raw_response_headers_$kind" => \@patterns) if @patterns;
    }
    return;
}

# The first check of a response gets its number: from then on, the name of the block includes the line.
{
    my $check = \&Test::Nginx::Socket::check_error_code;
    no warnings 'redefine';
    *Test::Nginx::Socket::check_error_code = sub ($$$$$) {
        my ($block, undef, undef, $nth) = @_;
        if (my $lines = $lines{$block}) {
            $name{$block} //= $block->name;
            $block->set_value(name => "$name{$block} - $lines->[$nth]");
        }
        goto &$check;
    };
}

1;
