# The configurations of docs/troubleshooting.md, operations.md, security.md and compatibility.md: each is loaded unchanged,
# without a [warn], and does what its page says. And the commands by which docs/operations.md finds and removes what only the
# module knows.

use Sticky qw(Documents Keys Control Running Upstreams Visits);
use File::Temp;

our $folder = File::Temp->newdir;
chmod 0777, $folder;
key_file('sticky.keys', $key[0]);

our $servers = servers('location / { return 200 "NAME"; }', qw(A B C));

# Replaces what is located elsewhere on this machine.
sub placed {
    my ($text) = @_;
    return here($text) =~ s{key_file=(?=sticky)}{key_file=$keys/}gr =~ s{/var/lib/session_sticky/}{$folder/}gr
        =~ s{/var/log/nginx/}{logs/page-}gr;
}

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my ($name, $number) = split ' ', $block->guide // return;
    my @blocks = fenced("docs/$name.md", 'nginx');
    @blocks == $number or bail_out("$name.md has @{[scalar @blocks]} configurations");
    $block->set_value(http_config => $servers . join '', map { placed($_) } @blocks);
    $block->set_value(config => ($block->config // '') . ($block->more // ''));
    $block->set_value(no_error_log => "[warn]\n[alert]\n[crit]\n[emerg]\n");
});

# The lines of an access log.
sub logged {
    my ($name) = @_;
    open my $log, '<', Test::Nginx::Util::server_root() . "/logs/$name" or return 'none';
    return join '', readline $log;
}

sub write_log {
    my ($path, $text) = @_;
    open my $log, '>', $path or die "$path: $!\n";
    print $log $text;
    return close $log;
}

# The text between these on an operator's page.
sub said {
    my ($begin, $end) = @_;
    my ($said) = page('docs/operations.md') =~ /\Q$begin\E(.*?)\Q$end\E/s or bail_out("no $begin in operations.md");
    return $said;
}

no_shuffle();
run_tests();

__DATA__

=== troubleshooting: two requests of a client
--- guide: troubleshooting 1
--- client
my $first = visit('/', undef, 1983);
my $value = bound($first);
my $second = visit('/', "route=$value", 1983);
equals(body($second), body($first), 'the same server');
my $server = $value =~ /^$id{A}/ ? $line{A} : $line{B};
my $time = '\S+T\S+ 127\.0\.0\.1 "GET / HTTP/1\.\d" 200';
eventually(sub { logged('page-access.log') =~ /\A(?:.*\n){2}\z/ }, 'two lines');
my @lines = split /\n/, logged('page-access.log');
my $end = qr{began=\d+ tried="\Q$server\E" took=[\d.]+ connection=\d+$};
holds($lines[0] =~ m{^$time session=new/none served=\Q$server\E had=- set=inserted $end}, "the first: $lines[0]");
holds($lines[1] =~ m{^$time session=bound/valid served=\Q$server\E had=\Q$server\E set=(?:none|updated) $end}, "the second: $lines[1]");

# The commands for a user who was logged out; an older log is compressed.
my $logs = Test::Nginx::Util::server_root() . '/logs';
my $old = $lines[0] =~ s/^\d+-\d+-\d+T/2000-01-01T/r;
$_ =~ s/^\d+-\d+-\d+T/2000-01-02T/ for @lines;
# Lines of one second keep the order of the log, also if it is rotated between them. Those of static files and of a cache are omitted.
my $line = sub { my ($day, $path, $session) = @_; return $lines[1] =~ s{^\S+( \S+ "GET )\S+}{2000-01-0${day}T23:59:59+00:00$1$path}r =~ s/session=\S+/session=$session/r };
my ($before_1, $ended_1, $before_2, $ended_2) = map { ($line->($_, '/logo.png', 'bound/valid'), $line->($_, '/a', 'new/expired')) } 1, 2;
my @static = map { $line->(2, '/b', $_) } '-/-', '-/unused';
my ($one, $two) = map { "$logs/page-access.log.$_" } 1, 2;
write_log($two, "$old\n$before_1\n");
write_log($one, join '', map { "$_\n" } $ended_1, @lines, $before_2, @static, $ended_2);
utime time - 86400 * $_, time - 86400 * $_, "$logs/page-access.log.$_" for 1, 2;
equals(system('gzip', '-f', $two), 0, 'gzip');
my ($zgrep, $grep) = page('docs/troubleshooting.md') =~ /^ +(zgrep .*?)\n +(grep .*?)$/ms or bail_out('no zgrep in troubleshooting.md');
my $commands = placed("$zgrep; $grep") =~ s{logs/page-}{$logs/page-}gr =~ s{/tmp/requests}{$folder/requests}gr =~ s{2026-11-2\[78\]}{2000-01-0[12]}r
    =~ s{203\\\.0\\\.113\\\.7}{127\\.0\\.0\\.1}r;
equals(scalar qx{$commands}, "$old\n$ended_1\n$lines[0]\n$ended_2\n", 'the lines that are not bound');
my ($before) = page('docs/troubleshooting.md') =~ m{`(grep -B 1 \S+) /tmp/requests`} or bail_out('no line before in troubleshooting.md');
equals(scalar qx{$before $folder/requests}, "$before_1\n$ended_1\n--\n$before_2\n$ended_2\n", 'the lines before');
unlink $one, "$two.gz";



=== operations: its log, and a server that is drained, taken down and brought back
--- guide: operations 1
--- client
my $value = bound(visit('/', undef, 1983));
eventually(sub { logged('page-access.log') =~ m{ session=new/none served=\S+:\d+ had=- }m }, 'the log') or print logged('page-access.log');
my $told = sub { my ($word) = @_; my $body = qq[{"state":"$word"}]; return response(say_to_nginx("PATCH /sessions/upstreams/app/servers/$line{A} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " . length($body) . "\r\n\r\n$body", 8090)) };
holds($told->($$_[0]) =~ /^HTTP\S+ 200 .*"state":"$$_[1]"/s, $$_[0]) for ['drain', 'draining'], ['down', 'down'], ['up', 'up'];
holds(-s "$folder/state", 'the state file');
# The list of servers that are not up, for the removal of the module.
my ($list) = page('docs/operations.md') =~ /^ {7}(curl -sSf '\S+' \| jq -r '.*?')$/ms or bail_out('no list of servers in operations.md');
my $wrong = $list =~ s{/sessions}{/nowhere}r;
holds(qx{{ $wrong; } 2>&1} =~ /404/, 'a wrong address is an error');
equals(scalar qx{$list}, '', 'all servers are up');
$told->('down');
equals(scalar qx{$list}, "app $line{A} $line{A} down 0\n", 'one is down');
$told->('up');



=== security
--- guide: security 1
--- client
like(set(visit('/')), qr/^__Host-route=[0-9a-f]{32}; Path=\/; Secure; HttpOnly; SameSite=Lax\z/, 'the cookie');
like(set(visit('/timed')), qr/^__Host-timed=[0-9a-f]{32}\|\d+\|\d+\|\S+; Path=\/; Secure; HttpOnly; SameSite=Lax\z/, 'and with times');
my @commands = page('docs/security.md') =~ /^    (\(umask 077; set -o noclobber; \{ echo .* openssl rand -base64 32; \} >\/etc\/nginx\/sticky\.keys\))$/mg;
equals(join('|', map { $_ eq $commands[0] ? 'same' : $_ } @commands), 'same|same', 'the command for the key file, twice');
my $new = "$folder/new.keys";
my $create = $commands[0] =~ s{/etc/nginx/sticky\.keys}{$new}r;
equals(system('sh', '-c', $create), 0, 'it creates the file');
equals(sprintf('%o', (stat $new)[2] & 07777), '600', 'for its owner alone');
open my $keys_of_it, '<', $new or die "$new: $!\n";
like(join('', readline $keys_of_it), qr/\A# \d+-\d+-\d+\n\S{44}\n\z/, 'with a key');
holds(system('sh', '-c', "{ $create; } 2>/dev/null") != 0, 'and does not overwrite it');
--- more
location / { proxy_pass http://app; }
location /timed { proxy_pass http://timed; }
--- config



=== compatibility
--- guide: compatibility 1
--- client
holds(1, 'is loaded');



=== operations: the remaining configuration when the module is removed
--- client
my ($list) = said("       cp -a /etc/nginx /root/nginx-before\n", "\n\n");
my ($edit) = said("for newer versions if `sticky route` remains:\n\n", "\n\n");
my $etc = "$folder/etc";
mkdir $_ or die "$_: $!\n" for $etc, map { "$etc/$_" } qw(conf.d sites-available sites-enabled);
my $put = sub {
    my ($name, $text) = @_;
    open my $out, '>', "$etc/$name" or die "$name: $!\n";
    print $out $text;
    close $out or die "$name: $!\n";
};
my $load = join '', map { "load_module $_;\n" } split ' ', $ENV{TEST_NGINX_LOAD_MODULES};
my $main = "pid $folder/pid; events { }\nhttp {\n    access_log off;\n    include conf.d/*.conf;\n    include sites-enabled/*;\n";
$put->('nginx.conf', "$load$main    upstream first {\n        server 127.0.0.1:1985 id=a;\n    }\n}\n");
$put->('conf.d/app.conf', <<'_EOC_');
upstream app {
    server 127.0.0.1:1985 id=a;
    server 127.0.0.1:1986 weight=2 id=b-1 max_fails=3 drain;
    server 127.0.0.1:1987 route=c drain weight=2;
	server   127.0.0.1:1988 id=d route=d backup;   # id=stays
}
server { server_name id=x; }
_EOC_
$put->('sites-available/site', <<'_EOC_' =~ s{KEYS}{$keys/sticky.keys}r);
upstream site {
    server 127.0.0.1:1985 id=a;
    server 127.0.0.1:1986
        id=b;
    server 127.0.0.1:1987 "id=c";
    session_sticky hash=hmac
        key_file=KEYS;
}
_EOC_
symlink '../sites-available/site', "$etc/sites-enabled/site" or die "site: $!\n";
my $run = sub {
    my ($commands) = @_;
    $commands =~ s{/etc/nginx\b}{$etc}g;
    $commands =~ s{/root/nginx-files}{$folder/files}g;
    open my $script, '>', "$folder/script" or die "script: $!\n";
    print $script "nginx() { $ENV{TEST_NGINX_BINARY} -e stderr -p $folder -c $etc/nginx.conf \"\$@\"; }\n$commands\n";
    close $script or die "script: $!\n";
    return scalar qx{sh $folder/script 2>&1} =~ s{\Q$etc\E/}{}gr =~ s/.*load_module .*\n//gr;
};
my $files = sub {
    my ($name) = @_;
    open my $in, '<', "$etc/$name" or die "$name: $!\n";
    return join '', readline $in;
};
my ($grep) = $list =~ /^( +xargs grep .*)/m or bail_out('no grep in operations.md');
my $found = $run->($list);
equals(join(' ', $found =~ /^(\S+?:\d+):/mg), 'conf.d/app.conf:2 conf.d/app.conf:3 conf.d/app.conf:4 conf.d/app.conf:5 conf.d/app.conf:7 '
    . 'nginx.conf:' . (2 + ($load =~ tr/\n//) + 5) . ' sites-available/site:2 sites-available/site:4 sites-available/site:5 sites-available/site:6 sites-available/site:7',
    'the lines that are found') or print "# $found";
equals($run->($edit), '', 'sed');
equals($files->('conf.d/app.conf'), <<'_EOC_', 'the remaining lines');
upstream app {
    server 127.0.0.1:1985;
    server 127.0.0.1:1986 weight=2 max_fails=3 down;
    server 127.0.0.1:1987 down weight=2;
	server   127.0.0.1:1988 backup;   #
}
server { server_name id=x; }
_EOC_
holds(-l "$etc/sites-enabled/site", 'a link is still a link');
equals(join(' ', glob "$etc/conf.d/* $etc/sites-enabled/*"), "$etc/conf.d/app.conf $etc/sites-enabled/site", 'no further file');
my $left = $run->($grep);
equals(join(' ', $left =~ /^(\S+?:\d+):/mg), 'conf.d/app.conf:7 sites-available/site:4 sites-available/site:5 sites-available/site:6 '
    . 'sites-available/site:7', 'the lines left to the reader') or print "# $left";
# nginx -t does not find a forgotten parameter while the module is loaded, but the same command as before does.
$put->('conf.d/left.conf', "upstream left {\n    server 127.0.0.1:1985 id=left;\n}\n");
holds($run->('nginx -t') =~ /syntax is ok/, 'a forgotten parameter, with the module');
equals(() = $run->("find /etc/nginx -type f >/root/nginx-files\n$grep") =~ m{^conf\.d/left\.conf:2:}mg, 1, 'grep finds it');
my ($proof) = page('docs/operations.md') =~ /^ +(nginx -t -q && nginx -T .*)/m or bail_out('no proof in operations.md');
$put->('sites-available/site', $files->('sites-available/site') =~ s/\n\s+id=b//r =~ s/ "id=c"//r =~ s/ +session_sticky[^;]*;\n//r);
$put->('nginx.conf', $files->('nginx.conf') =~ s/^load_module .*\n//mgr);
my $said = $run->('nginx -t');
holds($said =~ /emerg.* "id=left"/s, 'without the module, nginx does not start') or print "# $said";
holds($run->($proof) !~ /^0$/m, 'and the proof does not print 0');
$put->('conf.d/left.conf', "  # session_sticky\n");
$said = $run->('nginx -t');
holds($said =~ /syntax is ok/, 'nginx takes it without the module') or print "# $said";
equals($run->($proof), "0\n", 'the proof, in spite of a comment');
# The place of ip_hash.
my $backup = "server 127.0.0.1:1985; server 127.0.0.1:1986; server 127.0.0.1:1987 backup;";
$put->('conf.d/left.conf', "upstream left { $backup ip_hash; }\n");
holds($run->('nginx -t') =~ /syntax is ok/, 'ip_hash below backup');
$put->('conf.d/left.conf', "upstream left { ip_hash; $backup }\n");
holds($run->('nginx -t') =~ /balancing method does not support parameter "backup"/, 'and above it');
--- config
