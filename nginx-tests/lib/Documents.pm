# Documents of the project, and their code as a reader copies it; guides are in lib/Guides.pm.
#
#   page(PATH)              the text of a document
#   fenced(PATH, LANGUAGE)  its fenced code blocks in this language
#   below(LINE, TEXT)       the lines that are indented deeper below the first such LINE of TEXT
#   here(TEXT)              TEXT adapted to the test: port 80 becomes 1983, and 1981 for HTTP/2 without TLS; 192.0.2.1 to
#                           192.0.2.3 become A, B and C with port 8080, and A1, B1 and C1 with port 8081 (lib/Servers.pm)

package Documents;

use strict;
use warnings;

use Exporter 'import';
use Nginx;
use Servers;
use Sticky ();
use Test::More ();

our @EXPORT = qw(page fenced below here);

@port{qw(A1 B1 C1)} = 2085 .. 2087;

my @names = qw(A B C);
my %server = map { my $name = $names[$_ - 1]; ("192.0.2.$_:8080" => $port{$name}, "192.0.2.$_:8081" => $port{$name . 1}) } 1 .. 3;

sub page {
    my ($path) = @_;
    open my $file, '<:raw', Sticky::in_project($path) or Test::More::BAIL_OUT("$path: $!");
    local $/ = undef;
    return readline $file;
}

sub fenced {
    my ($path, $language) = @_;
    my @found;
    my $text = page($path);
    while ($text =~ /^( *)```\Q$language\E\n(.*?)^\1```$/msg) {
        my ($indent, $code) = ($1, $2);
        push @found, $code =~ s/^\Q$indent\E//mgr;
    }
    return @found;
}

sub below {
    my ($line, $text) = @_;
    my (undef, $lines) = $text =~ /^( *)\Q$line\E\n((?:(?:\1 +[^\n]*)?\n)+)/m or Test::More::BAIL_OUT("there is no '$line'");
    my ($indent) = $lines =~ /^( +)/;
    return $lines =~ s/^$indent//gmr;
}

sub here {
    my ($text) = @_;
    my $listen = 'listen 127.0.0.1:1983; ' . listens_http2('127.0.0.1:1981');
    return $text =~ s/(192\.0\.2\.\d:\d+)/127.0.0.1:$server{$1}/gr =~ s/\blisten 80;/$listen/gr;
}

1;
