# The pages of docs/guides, as a reader follows them: complete files, parts of files, and commands with their output.
#
#   nginx_files(PATH)       its nginx code blocks that are a complete nginx.conf, which begins with a comment with its path
#   nginx_parts(PATH)       its other nginx code blocks
#   on_this_machine(TEXT)   TEXT with addresses and files adapted to the test, by here() of lib/Documents.pm; also, port 8090
#                           becomes 1982, and logs, keys and other files become the test's
#   http_of(TEXT)           the contents of the http block of a complete file, adapted to the test
#   said_of_file(TEXT)      what nginx -t prints for a complete file; '' if it loads without a message
#   around(TEXT)            a complete file with this part in the context where it belongs
#   scripts(NAMES)          creates such files in the folder that is the root of pages
#   transcripts(PATH)       its console code blocks, each a list of [COMMAND, LINES]
#   guide_sections(PATH, SERVERS)   blocks have the page's file with the number "file", 0 by default, and "client" of
#                           lib/Client.pm; "but" has a line for each "FROM => TO" in the file. SERVERS is inserted before it
#   follow_transcript(TEXT) a test: runs the commands sequentially, and compares their output; "…" in a line matches any text

package Guides;

use strict;
use warnings;

use Client;
use Documents;
use Exporter 'import';
use File::Path 'remove_tree';
use File::Temp 'tempdir';
use Keys;
use Nginx;
use Test::More ();
use Test::Nginx::Socket ();
use Test::Nginx::Util ();

our @EXPORT = qw(on_this_machine nginx_files nginx_parts http_of said_of_file around guide_sections scripts transcripts follow_transcript);

# The test's own copies of the pages' files and folders.
my $folder = tempdir(CLEANUP => 1);
chmod 0777, $folder;
mkdir "$folder/logs";
key_file('sticky.keys', $key[0]);

# The pages' servers with other ports and protocols.
my %server = map { ("192.0.2.$_:9000" => 1990 + $_) } 1, 2;

sub is_whole { return $_[0] =~ m{\A# /etc/nginx/nginx\.conf\n} }
sub nginx_files { my ($path) = @_; return grep { is_whole($_) } fenced($path, 'nginx') }
sub nginx_parts { my ($path) = @_; return grep { !is_whole($_) } fenced($path, 'nginx') }

sub on_this_machine {
    my ($text, $logs) = @_;
    $logs //= Test::Nginx::Util::server_root() . '/logs';
    # Before nginx 1.25.1, HTTP/2 is enabled by a parameter of "listen".
    $text =~ s/\blisten 80;\s+http2 on;/listens_http2('127.0.0.1:1983')/ge;
    $text = here($text =~ s/(192\.0\.2\.[12]:9000)/127.0.0.1:$server{$1}/gr);
    $text =~ s/\blisten 127\.0\.0\.1:8090;/listen 127.0.0.1:1982;/g;
    # With a prefix, since Test::Nginx uses the same names in its folder of logs.
    $text =~ s{/var/log/nginx/}{$logs/guide-}g;
    $text =~ s{/var/(?:lib/session_sticky/|cache/)}{$folder/}g;
    $text =~ s{\bkey_file=(?:/etc/nginx/)?sticky\.keys}{key_file=$keys/sticky.keys}g;
    $text =~ s{/srv/app/}{$folder/}g;
    # nginx resolves the name when it reads the configuration.
    $text =~ s/\bkube-dns\.kube-system\.svc\.cluster\.local\b/127.0.0.1:1990/g;
    return $text;
}

sub http_of {
    my ($text) = @_;
    my ($inside) = $text =~ /^http \{\n(.*)^\}\n\z/ms or Test::More::BAIL_OUT('a file has no http block at its end');
    return on_this_machine($inside);
}

sub said_of_file {
    my ($text) = @_;
    my $modules = join '', map { "load_module $_;\n" } split ' ', $ENV{TEST_NGINX_LOAD_MODULES};
    my $file = on_this_machine($text, $folder);
    $file =~ s{^include /etc/nginx/modules-enabled/\*\.conf;.*\n}{$modules}m or return 'the module is not loaded';
    $file =~ s{/run/nginx\.pid}{$folder/nginx.pid} or return 'there is no pid file';
    # The directive has no effect for other users, and causes a [warn].
    $file =~ s/^user .*\n//m if $> != 0;
    open my $out, '>', "$folder/nginx.conf" or die "$folder/nginx.conf: $!\n";
    print $out $file;
    close $out or die "$folder/nginx.conf: $!\n";
    my $said = `$ENV{TEST_NGINX_BINARY} -t -q -p $folder -c $folder/nginx.conf 2>&1`;
    return $? ? "it ends with $?: $said" : $said;
}

# The first directive of a part determines its context.
sub around {
    my ($part) = @_;
    my ($first) = $part =~ /^\s*([a-z_0-9]+)/m or return $part;
    my $servers = 'server 192.0.2.1:8080; server 192.0.2.2:8080;';
    my %is_there = map { $_ => 1 } $part =~ /^\s*upstream (\S+) \{/mg;
    my $http = $first =~ /^(?:session_sticky|sticky)$/ ? "upstream part { $servers\n$part}\n"
        : $first eq 'server' && $part !~ /^server \{/m ? "upstream part {\n$part session_sticky hash=plain; }\n"
        : $first =~ /^(?:location|listen|error_page|proxy_|add_header|set|session_sticky_)/ ? "server { $part }\n"
        : $part;
    my @missing = grep { !$is_there{$_}++ } $part =~ m{(?:_pass (?:\w+://)?|upstream=)([a-z]\w*);?}g;
    $http = join('', map { "upstream $_ { $servers session_sticky cookie=of_$_ option=indirect; }\n" } @missing) . $http;
    return "# /etc/nginx/nginx.conf\npid /run/nginx.pid;\ninclude /etc/nginx/modules-enabled/*.conf;\nevents { }\nhttp {\n$http}\n";
}

sub guide_sections {
    my ($path, $servers) = @_;
    client_sections();
    Test::Nginx::Socket::add_block_preprocessor(sub {
        my ($block) = @_;
        my $file = (nginx_files($path))[$block->file // 0] // Test::More::BAIL_OUT("$path has no such file");
        for my $line (split /\n/, $block->but // '') {
            my ($from, $to) = $line =~ /^(.*) => ?(.*)$/ or Test::More::BAIL_OUT($line);
            $file =~ s/\Q$from\E/$to/g or Test::More::BAIL_OUT("$from is not in $path");
        }
        # Each block starts without files of the previous one.
        unlink "$folder/state";
        remove_tree("$folder/nginx-pages");
        # The access log has only the requests of the page's own servers.
        my $others = (ref $servers ? $servers->($block) : $servers) =~ s/^server \{$/server {\naccess_log off;/mgr;
        $block->set_value(http_config => $others . http_of($file));
        $block->set_value(no_error_log => "[warn]\n[alert]\n[crit]\n[emerg]\n") if !defined $block->error_log && !defined $block->may_fail;
    });
    return;
}

sub scripts {
    my (@names) = @_;
    mkdir "$folder/public";
    for my $name (@names) {
        open my $file, '>', "$folder/public/$name" or die "$folder/public/$name: $!\n";
        close $file or die "$folder/public/$name: $!\n";
    }
    return;
}

sub transcripts {
    my ($path) = @_;
    return map {
        my @said;
        for my $line (split /\n/) {
            if ($line =~ /^\$ (.*)/) { push @said, [$1] } else { push @{$said[-1]}, $line }
        }
        \@said
    } fenced($path, 'console');
}

sub follow_transcript {
    my ($transcript) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    # Each command runs in a shell that begins with the variables and functions defined by earlier ones.
    my $known = '';
    for my $step (@$transcript) {
        my ($command, @lines) = @$step;
        my $want = join '', map { quotemeta($_) =~ s/(?:\\\xe2\\\x80\\\xa6)/.*?/gr . "\n" } @lines;
        my $here = $command =~ s{http://localhost(?=[/\$])}{http://127.0.0.1:1983}gr;
        $here = on_this_machine($here =~ s/127\.0\.0\.1:8090/127.0.0.1:1982/gr);
        my $run = sub { return there(scalar qx{cd $folder && exec 2>&1 && sh -c '${\ quoted("$known$here")}'}) };
        my $said = $run->();
        # nginx may write a line to the log after the client has received the response.
        soon(sub { ($said = $run->()) =~ /\A$want\z/ }) if $command =~ /^tail / && $said !~ /\A$want\z/;
        if ($command =~ /^(?:\w+=|\w+\(\))/) { $known .= "$here\n" }
        $said =~ /\A$want\z/ ? holds(1, $command) : equals($said, join('', map { "$_\n" } @lines), $command);
    }
    return;
}

sub quoted { return $_[0] =~ s/'/'\\''/gr }

# Output with the addresses of the page.
sub there {
    my ($text) = @_;
    # Lines of a header end with CRLF.
    $text =~ s/\r$//mg;
    my %page = map { on_this_machine($_) => $_ } keys %server, map { my $n = $_; map { "192.0.2.$n:$_" } 8080, 8081 } 1 .. 3;
    return $text =~ s/(127\.0\.0\.1:\d+)/$page{$1} \/\/ $1/ger;
}

1;
